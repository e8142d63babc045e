// A virtualized grid: only visible rows have DOM elements. Handles positions and recycling; the caller draws the cells, and the
// headers of sections.
import { acrossRows, cornerOf, inSight, layoutOf, rowsIn, scrolledTo } from './logic/review_layout.js';

const REST = 140, FRAME = 16, AT_ONCE = 8; // ms to wait after a fast scroll, ms between batches, images per batch

// `places`: the elements `viewport`, which scrolls, `space` in it, and there `list` for the cells and `heads`.
// make() → an element whose `image` is an <img>; draw(cell, position); address(position, width) → image URL, '' for none.
// makeHead() → an element; drawHead(head, section).
export function makeGrid({ viewport, space, list, heads }, { make, draw, address, makeHead, drawHead }) {
  const cells = new Map(), headers = new Map(); // position, or section → element
  const spare = [], spareHeads = [];
  let layout = layoutOf(0, [0]), sizes = [0], isHeaded = false, least = null;
  let high = 0, version = 0, asked = 0, resting = 0, lastTop = 0;

  function measure() {
    const room = space.clientWidth;
    high = viewport.clientHeight;
    layout = layoutOf(room, sizes, least, isHeaded);
    if (!room) return; // in a hidden tab
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
    if (!cell.isConnected) list.append(cell);
  }

  function putHead(head, section) {
    head.style.transform = `translateY(${layout.tops[section]}px)`;
    head.drawn = 0;
    headers.set(section, head);
    if (!head.isConnected) heads.append(head);
  }

  function fill(cell) {
    if (cell.drawn === version) return;
    cell.drawn = version;
    draw(cell, cell.position);
    const wanted = address(cell.position, layout.width);
    if (cell.wanted === wanted) return;
    cell.wanted = wanted;
    cell.image.removeAttribute('src'); // cancels a load in flight
  }

  function fillHead(head, section) {
    if (head.drawn === version) return;
    head.drawn = version;
    drawHead(head, section);
  }

  // Load a few images per frame, so that scrolling stays responsive.
  function load() {
    const missing = [...cells.values()].filter((cell) => cell.wanted && !cell.image.hasAttribute('src'));
    missing.slice(0, AT_ONCE).forEach((cell) => { cell.image.src = cell.wanted; });
    resting = missing.length > AT_ONCE ? setTimeout(load, FRAME) : 0;
  }

  function recycle(used, unused, first, end, makeOne, putOne) {
    used.forEach((element, at) => {
      if (at < first || at >= end) { used.delete(at); unused.push(element); }
    });
    for (let at = first; at < end; at += 1) {
      if (!used.has(at)) putOne(unused.pop() || makeOne(), at);
    }
    unused.forEach((element) => element.remove());
  }

  // Recycle cells that left the viewport for positions that entered it, and draw outdated cells.
  function place() {
    asked = 0;
    const top = viewport.scrollTop, [first, last, from, to] = inSight(layout, top, high);
    recycle(cells, spare, first, last, make, put);
    recycle(headers, spareHeads, isHeaded ? from : 0, isHeaded ? to : 0, makeHead, putHead);
    cells.forEach(fill);
    headers.forEach(fillHead);
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

  // Lay out all cells again: other photos, another width or size. `counts`: photos of each section.
  function restart(counts = sizes, isInSections = isHeaded) {
    [sizes, isHeaded] = [counts, isInSections];
    measure();
    spare.push(...cells.values());
    spareHeads.push(...headers.values());
    cells.clear();
    headers.clear();
    redraw();
  }

  // `width` of a cell at least; null for the usual one.
  function resize(width) {
    least = width;
    restart();
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
    resize,
    scrollTo,
    redraw,
    cell: (position) => cells.get(position),
    across: (position, rows) => acrossRows(layout, position, rows),
    rows: () => rowsIn(layout, high),
  };
}
