// Two to four frames of a burst side by side, in a dialog of the Label screen. Zoom and place are one for all of them.
import { MOST, WHOLE, clampedStart, comparedIn, moved, zoomed } from './logic/label_compare.js';
import { captionOf, wholeBurst } from './logic/label_bursts.js';
import { hands } from './page.js';

const LARGE = 1600, FULL = 6000;
const STEP = 400, STILL = 4; // pixels of the wheel for e times the size; and those that a click may move

// `choose(key)`: the frame is the best one.
export function makeCompare(dialog, choose) {
  const panes = dialog.querySelector('.panes'), words = dialog.querySelector('.compare-words');
  let burst = null, list = [], start = 0, view = WHOLE, drag = null;

  function open(of, photo) {
    burst = of;
    ({ list, start } = comparedIn(burst, photo));
    view = WHOLE;
    dialog.showModal();
    dialog.focus(); // so that none of its buttons takes Enter
    draw();
  }

  function draw() {
    const shown = list.slice(start, start + MOST), whole = wholeBurst(burst, shown[0]);
    panes.replaceChildren(...shown.map((frame, number) => makePane(frame, number, frame.key === burst.sharpest)));
    panes.dataset.count = shown.length;
    const others = whole ? 'keep it, cull the others of the burst that have no answer' : 'keep it';
    const more = list.length > MOST ? ` · ← → other frames (${start + 1} to ${start + shown.length} of ${list.length})` : '';
    words.textContent = `1 to ${shown.length}: ${others} · Z or click: zoom${more} · Esc: back`;
    place();
  }

  function place() {
    panes.style.setProperty('--view', `translate(${view.x}px, ${view.y}px) scale(${view.scale})`);
    panes.classList.toggle('zoomed', view.scale > 1);
    if (view.scale > 1) panes.querySelectorAll('img').forEach(sharpen);
  }

  // The point of the event in its pane, and the size of the pane; else its center.
  function pointOf(event) {
    const pane = event?.target.closest('.window') || panes.querySelector('.window'), box = pane.getBoundingClientRect();
    const point = event?.clientX === undefined ? [box.width / 2, box.height / 2] : [event.clientX - box.left, event.clientY - box.top];
    return [point, [box.width, box.height]];
  }

  function zoom(times, event) { view = zoomed(view, times, ...pointOf(event)); place(); }

  function pick(frame) {
    if (!frame) return;
    dialog.close();
    choose(frame.key);
  }

  panes.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button && !hands.isSecond()) pick(list[start + Number(button.dataset.place)]);
  });
  panes.addEventListener('wheel', (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / STEP), event); }, { passive: false });
  panes.addEventListener('pointerdown', (event) => {
    if (event.button || drag || event.target.closest('button')) return;
    drag = { id: event.pointerId, x: event.clientX, y: event.clientY, way: 0 };
    event.target.setPointerCapture(event.pointerId);
  });
  panes.addEventListener('pointermove', (event) => {
    if (drag?.id !== event.pointerId) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    Object.assign(drag, { x: event.clientX, y: event.clientY, way: drag.way + Math.abs(dx) + Math.abs(dy) });
    view = moved(view, dx, dy, pointOf(event)[1]);
    place();
  });
  panes.addEventListener('pointerup', (event) => {
    if (drag?.id !== event.pointerId) return;
    const isClick = drag.way < STILL;
    drag = null;
    if (isClick) zoom(0, event);
  });
  panes.addEventListener('pointercancel', () => { drag = null; });
  dialog.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || hands.isHeld()) return;
    const key = event.key.toLowerCase(), step = { arrowleft: -1, arrowright: 1 }[key];
    if (/^[1-4]$/.test(key) && start + Number(key) <= list.length) pick(list[start + Number(key) - 1]);
    else if (key === 'z') zoom(0);
    else if (key === 'b') dialog.close();
    else if (step) { start = clampedStart(list, start + step); draw(); }
    else return;
    event.preventDefault();
  });
  dialog.addEventListener('close', () => panes.replaceChildren());
  return { open, isOpen: () => dialog.open };
}

function makePane(frame, number, isSharpest) {
  const pane = document.createElement('figure');
  pane.className = 'pane';
  pane.innerHTML = '<div class="window"><img></div><figcaption><span></span> <button>Best <kbd></kbd></button></figcaption>';
  const image = pane.querySelector('img'), button = pane.querySelector('button');
  Object.assign(image, { src: `photos/${frame.id}/${LARGE}`, alt: frame.key, draggable: false });
  image.dataset.id = frame.id;
  pane.querySelector('span').textContent = [frame.key, captionOf(frame), isSharpest && 'sharpest'].filter(Boolean).join(' · ');
  button.dataset.place = number;
  button.lastElementChild.textContent = number + 1;
  return pane;
}

// Show the full size, once it is there; the place stays.
async function sharpen(image) {
  if (image.dataset.full) return;
  image.dataset.full = 'asked';
  const full = new Image();
  full.src = `photos/${image.dataset.id}/${FULL}`;
  await full.decode().then(() => { image.src = full.src; }, () => { delete image.dataset.full; });
}
