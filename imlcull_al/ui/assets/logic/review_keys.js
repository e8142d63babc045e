// The keys of the Review screen.

// The position that a key leads to from `focus`, among `count` in this many columns and visible rows; null for other keys.
// Up in the first row and down in the last are no-ops.
export function stepOf(key, focus, count, columns, rows) {
  const page = columns * rows;
  const steps = {
    arrowleft: focus - 1, arrowright: focus + 1, arrowup: focus - columns, arrowdown: focus + columns,
    pageup: focus - page, pagedown: focus + page, home: 0, end: count - 1,
  };
  if (!Object.hasOwn(steps, key)) return null;
  const to = steps[key];
  return (key === 'arrowup' && to < 0) || (key === 'arrowdown' && to >= count) ? focus : to;
}
