// The list of the Review screen: which rows are shown, which one has the focus, and which are picked.
// Positions count in the list; rows in the table. The list changes only on request, so that nothing jumps.

export function makeSelection() {
  let shown = [];          // rows
  let focus = 0, anchor = 0;
  let picked = new Set();  // rows

  function pickRange() { picked = new Set(shown.slice(Math.min(anchor, focus), Math.max(anchor, focus) + 1)); }

  return {
    shown: () => shown,
    focus: () => focus,
    row: () => shown[focus],
    count: () => picked.size,
    has: (row) => picked.has(row),
    // The focus stays on its photo if it is still listed.
    list(rows) {
      const there = rows.indexOf(shown[focus]);
      shown = rows;
      focus = anchor = there >= 0 ? there : Math.max(Math.min(focus, shown.length - 1), 0);
    },
    // Forget everything, for other photos.
    clear() { shown = []; focus = anchor = 0; picked = new Set(); },
    moveTo(position, isRange) {
      focus = Math.max(0, Math.min(position, shown.length - 1));
      if (isRange) pickRange();
      else { anchor = focus; picked = new Set(); }
    },
    beginRange(position) { focus = anchor = position; pickRange(); },
    toggle(position) {
      if (!picked.size) picked.add(shown[focus]);
      focus = anchor = position;
      if (!picked.delete(shown[position])) picked.add(shown[position]);
    },
    pickAll() { picked = new Set(shown); },
    pickNone() { picked = new Set(); },
    // Rows that an answer is for; with `isOne`, only the one in focus.
    chosen: (isOne) => (picked.size && !isOne ? [...picked] : shown.slice(focus, focus + 1)),
  };
}
