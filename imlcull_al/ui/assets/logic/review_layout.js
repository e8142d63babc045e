// Arithmetic of the grid: sizes in CSS pixels, positions from 0, row by row. The photos are in sections of some rows each,
// below a header where there are several.
const GAP = 8, CAPTION = 24, SHAPE = 0.8, HEAD = 36;
const NARROW = 600, USUAL = { phone: 96, screen: 152 }; // width of a cell at least, by the width of the grid
const AHEAD = 1; // extra rows above and below the viewport

// The layout of sections of so many photos each in a grid that is `room` wide. `least`: width of a cell, if chosen.
export function layoutOf(room, counts, least = null, isHeaded = false) {
  const wanted = least ?? (room < NARROW ? USUAL.phone : USUAL.screen);
  const columns = Math.max(Math.floor((room + GAP) / (wanted + GAP)), 1);
  const width = Math.floor((room + GAP) / columns) - GAP;
  const rowHeight = Math.round(width * SHAPE) + CAPTION + GAP, head = isHeaded ? HEAD : 0;
  const starts = [0], tops = [0];
  counts.forEach((count, section) => {
    starts.push(starts[section] + count);
    tops.push(tops[section] + head + Math.ceil(count / columns) * rowHeight);
  });
  return { columns, width, rowHeight, head, starts, tops, cellHeight: rowHeight - GAP, count: starts.at(-1), height: tops.at(-1) };
}

// The last section that begins at `value` or before: `begins` has where each begins, and the end.
function sectionAt(begins, value) {
  let low = 0, high = begins.length - 2;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (begins[middle] <= value) low = middle; else high = middle - 1;
  }
  return low;
}

// First position and end of the cells to hold, and of their sections, of a viewport `high` that is scrolled down to `top`.
export function inSight(layout, top, high) {
  const { columns, rowHeight, head, starts, tops, count } = layout;
  if (!count) return [0, 0, 0, 0];
  const from = Math.max(top - AHEAD * rowHeight, 0), to = top + high + AHEAD * rowHeight;
  const first = sectionAt(tops, from), last = sectionAt(tops, to);
  const rowIn = (section, y) => Math.floor((y - tops[section] - head) / rowHeight);
  const begin = starts[first] + Math.max(rowIn(first, from), 0) * columns;
  const end = starts[last] + (rowIn(last, to) + 1) * columns;
  return [Math.min(begin, starts[first + 1]), Math.min(end, starts[last + 1]), first, last + 1];
}

// Left and top of a cell.
export function cornerOf({ columns, width, rowHeight, head, starts, tops }, position) {
  const section = sectionAt(starts, position), place = position - starts[section];
  return [(place % columns) * (width + GAP), tops[section] + head + Math.floor(place / columns) * rowHeight];
}

// The position so many rows further down, or up for less than none, in the same column where the row is long enough.
export function acrossRows({ columns, starts, count }, position, rows) {
  let section = sectionAt(starts, position), row = Math.floor((position - starts[section]) / columns);
  const column = (position - starts[section]) % columns;
  const rowsOf = (which) => Math.ceil((starts[which + 1] - starts[which]) / columns);
  row += rows;
  while (row < 0 && section > 0) row += rowsOf(section -= 1);
  while (row >= rowsOf(section) && section < starts.length - 2) { row -= rowsOf(section); section += 1; }
  if (row < 0) return rows === -1 ? position : Math.min(column, count - 1);
  row = Math.min(row, rowsOf(section) - 1);
  return Math.min(starts[section] + row * columns + column, starts[section + 1] - 1);
}

// How far to scroll down to see a position, from `now`: as little as needed, or to bring it to the middle.
export function scrolledTo(layout, position, now, high, isMiddle) {
  const { starts, columns, rowHeight, head } = layout, [, top] = cornerOf(layout, position), end = top + rowHeight;
  const begin = position - starts[sectionAt(starts, position)] < columns ? top - head : top; // with the header above it
  if (isMiddle) return top - (high - rowHeight) / 2;
  if (begin < now) return begin;
  return end > now + high ? end - high : now;
}

// Whole rows that a viewport shows.
export function rowsIn({ rowHeight }, high) { return Math.max(Math.floor(high / rowHeight), 1); }
