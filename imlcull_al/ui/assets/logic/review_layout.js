// Arithmetic of the grid: sizes in CSS pixels, positions from 0, row by row.
const GAP = 8, CAPTION = 24, SHAPE = 0.8;
const NARROW = 600, SMALLEST = { phone: 96, screen: 152 }; // width of a cell at least, by the width of the grid
const AHEAD = 1; // extra rows above and below the viewport

// The layout of `count` cells in a grid that is `room` wide.
export function layoutOf(room, count) {
  const least = room < NARROW ? SMALLEST.phone : SMALLEST.screen;
  const columns = Math.max(Math.floor((room + GAP) / (least + GAP)), 1);
  const width = Math.floor((room + GAP) / columns) - GAP;
  const rowHeight = Math.round(width * SHAPE) + CAPTION + GAP;
  return { count, columns, width, rowHeight, cellHeight: rowHeight - GAP, height: Math.ceil(count / columns) * rowHeight };
}

// First position and end of the cells to hold, of a viewport `high` that is scrolled down to `top`.
export function inSight({ count, columns, rowHeight }, top, high) {
  const first = Math.max(Math.floor(top / rowHeight) - AHEAD, 0) * columns;
  const rows = Math.ceil(high / rowHeight) + 2 * AHEAD + 1;
  return [first, Math.min(first + rows * columns, count)];
}

// Left and top of a cell.
export function cornerOf({ columns, width, rowHeight }, position) {
  return [(position % columns) * (width + GAP), Math.floor(position / columns) * rowHeight];
}

// How far to scroll down to see a position, from `now`: as little as needed, or to bring it to the middle.
export function scrolledTo(layout, position, now, high, isMiddle) {
  const [, top] = cornerOf(layout, position), end = top + layout.rowHeight;
  if (isMiddle) return top - (high - layout.rowHeight) / 2;
  if (top < now) return top;
  return end > now + high ? end - high : now;
}

// Whole rows that a viewport shows.
export function rowsIn({ rowHeight }, high) { return Math.max(Math.floor(high / rowHeight), 1); }
