// A virtualized grid: only visible rows have DOM elements. Handles positions and recycling; the caller draws the cells.
import { cornerOf, inSight, layoutOf, rowsIn, scrolledTo } from './logic/review_layout.js';

const REST = 140, FRAME = 16, AT_ONCE = 8; // ms to wait after a fast scroll, ms between batches, images per batch

// make() → an element whose `image` is an <img>; draw(cell, position); address(position) → image URL, '' for none
export function makeGrid(viewport, space, { make, draw, address }) {
  const cells = new Map();   // position → element
  const spare = [];
  let layout = { count: 0, columns: 1, width: 0, rowHeight: 1 };
  let high = 0, version = 0, asked = 0, resting = 0, lastTop = 0;

  function measure(count) {
    const room = space.clientWidth;
    if (!room) { layout = { ...layout, count }; return; } // in a hidden tab
    high = viewport.clientHeight;
    layout = layoutOf(room, count);
    space.style.height = `${layout.height}px`;
    space.style.setProperty('--width', `${layout.width}px`);
    space.style.setProperty('--height', `${layout.cellHeight}px`);
  }

  function put(cell, position) {
    const [x, y] = cornerOf(layout, position);
    cell.position = position;
    cell.drawn = 0;
    cell.style.transform = `translate(${x}px, ${y}px)`;
    cells.set(position, cell);
    if (!cell.isConnected) space.append(cell);
  }

  function fill(cell) {
    if (cell.drawn === version) return;
    cell.drawn = version;
    draw(cell, cell.position);
    const wanted = address(cell.position);
    if (cell.wanted === wanted) return;
    cell.wanted = wanted;
    cell.image.removeAttribute('src'); // cancels a load in flight
  }

  // Load a few images per frame, so that scrolling stays responsive.
  function load() {
    const missing = [...cells.values()].filter((cell) => cell.wanted && !cell.image.hasAttribute('src'));
    missing.slice(0, AT_ONCE).forEach((cell) => { cell.image.src = cell.wanted; });
    resting = missing.length > AT_ONCE ? setTimeout(load, FRAME) : 0;
  }

  // Recycle cells that left the viewport for positions that entered it, and draw outdated cells.
  function place() {
    asked = 0;
    const top = viewport.scrollTop, [first, last] = inSight(layout, top, high);
    cells.forEach((cell, position) => {
      if (position < first || position >= last) { cells.delete(position); spare.push(cell); }
    });
    for (let position = first; position < last; position += 1) {
      if (!cells.has(position)) put(spare.pop() || make(), position);
    }
    spare.forEach((cell) => cell.remove());
    cells.forEach(fill);
    loadUnlessFlying(top);
  }

  // Load no images during a fast scroll.
  function loadUnlessFlying(top) {
    const isFlying = Math.abs(top - lastTop) > high / 2;
    if (top === lastTop && resting) return;
    lastTop = top;
    clearTimeout(resting);
    if (isFlying) resting = setTimeout(load, REST); else load();
  }

  function soon() { if (!asked) asked = requestAnimationFrame(place); }

  // Lay out all cells again, for other photos or another width.
  function restart(count = layout.count) {
    measure(count);
    spare.push(...cells.values());
    cells.clear();
    redraw();
  }

  function redraw() {
    version += 1;
    place();
  }

  // Scroll a position into view, or to the middle; the caller redraws.
  function scrollTo(position, isMiddle) {
    const now = viewport.scrollTop, top = scrolledTo(layout, position, now, high, isMiddle);
    if (top !== now) viewport.scrollTop = top;
  }

  viewport.addEventListener('scroll', soon, { passive: true });
  new ResizeObserver(() => { if (viewport.clientWidth) restart(); }).observe(viewport);
  return {
    restart,
    scrollTo,
    redraw,
    cell: (position) => cells.get(position),
    columns: () => layout.columns,
    rows: () => rowsIn(layout, high),
  };
}
