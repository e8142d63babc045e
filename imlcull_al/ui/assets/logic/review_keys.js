// The keys of the Review screen.

// The position that a key leads to from `focus`, among `count`; null for other keys. `across(rows)`: the position so many rows
// further down; `rows`: those of a page.
export function stepOf(key, focus, count, across, rows) {
  const steps = {
    arrowleft: () => focus - 1, arrowright: () => focus + 1, arrowup: () => across(-1), arrowdown: () => across(1),
    pageup: () => across(-rows), pagedown: () => across(rows), home: () => 0, end: () => count - 1,
  };
  return Object.hasOwn(steps, key) ? steps[key]() : null;
}
