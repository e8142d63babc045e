// Arithmetic of a contact sheet: how many photos it has, and in how many columns, so that each is as large as the screen
// allows. Sizes in CSS pixels.
const GAP = 6, SHAPE = 4 / 3;
const FEWEST = 12, MOST = 30;
const NARROW = 600, SMALLEST = { phone: 112, screen: 216 }; // width of a photo at least, by the width of the sheet

// Photos for a sheet in a field of this size.
export function countFor(wide, high) {
  const least = wide < NARROW ? SMALLEST.phone : SMALLEST.screen;
  const columns = Math.floor((wide + GAP) / (least + GAP)), rows = Math.floor((high + GAP) / (least / SHAPE + GAP));
  return Math.min(Math.max(columns * rows, FEWEST), MOST);
}

// The layout in which `count` photos are largest, upright ones and others alike: columns, rows, and the longer side of a
// photo at most.
export function layoutOf(wide, high, count) {
  const choices = Array.from({ length: Math.max(count, 1) }, (_, at) => {
    const columns = at + 1, rows = Math.max(Math.ceil(count / columns), 1);
    const [width, height] = [(wide + GAP) / columns - GAP, (high + GAP) / rows - GAP];
    const sides = [Math.min(width, height * SHAPE), Math.min(height, width * SHAPE)];
    return { columns, rows, side: Math.floor(Math.max(...sides)), size: sides[0] + sides[1] };
  });
  const { columns, rows, side } = choices.reduce((best, choice) => (choice.size > best.size ? choice : best));
  return { columns, rows, side };
}

// The preview to load for a photo of this longer side: 320 or 1600 pixels.
export function previewFor(side, ratio) { return side * ratio > 340 ? 1600 : 320; }
