// Two to four frames of a burst side by side, in a dialog of the Label screen. Zoom and place are one for all of them.
import { fitted } from './logic/fitting.js';
import { letterOf } from './logic/keys.js';
import { MOST, clampedStart, comparedIn } from './logic/label_compare.js';
import { captionOf, wholeBurst } from './logic/label_bursts.js';
import { guessedSize, isEnlarged, moved, placed, sized, toggled, zoomed } from './logic/zoom.js';
import { hands, preset } from './page.js';
import { onResize } from './page_life.js';
import { addZoomHands } from './zoom_hands.js';

const LARGE = 1600, FULL = 6000;

// `choose(key)`: the frame is the best one.
export function makeCompare(dialog, choose) {
  const panes = dialog.querySelector('.panes'), words = dialog.querySelector('.compare-words');
  let burst = null, list = [], start = 0, view = null, known = null; // `known`: size of a frame that was seen in full

  function open(of, photo) {
    burst = of;
    ({ list, start } = comparedIn(burst, photo));
    view = null;
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
    words.textContent = `1 to ${shown.length}: ${others} · Z or click: zoom${more}`;
    place();
  }

  function place() {
    const images = [...panes.querySelectorAll('img')], frames = images.map(frameOf);
    panes.classList.toggle('zoomed', frames.some((of) => of && isEnlarged(view, of)));
    images.forEach((image, number) => {
      const of = frames[number];
      if (!of) return;
      const [left, top, wide, high] = placed(view, of);
      Object.assign(image.style, { width: `${wide}px`, height: `${high}px`, transform: `translate(${left}px, ${top}px)` });
      if (view) sharpen(image);
    });
  }

  // See zoom.js; null while the image loads.
  function frameOf(image) {
    const box = image.parentElement, room = [box.clientWidth, box.clientHeight], seen = [image.naturalWidth, image.naturalHeight];
    if (!seen[0] || !room[0]) return null;
    const size = image.full || guessedSize(seen, LARGE, known);
    return { size, fit: fitted(size, room), room, ratio: window.devicePixelRatio || 1 };
  }

  // Show the full size, once it is there; the place stays.
  async function sharpen(image) {
    if (image.isAsked) return;
    image.isAsked = true;
    const full = new Image();
    full.src = `photos/${image.dataset.id}/${FULL}`;
    if (!await full.decode().then(() => true, () => false)) { image.isAsked = false; return; }
    const of = frameOf(image), isFirst = !known;
    known = [full.naturalWidth, full.naturalHeight];
    if (view && of && isFirst) view = sized(view, known, of.room.map((length) => length / 2), of);
    image.full = known;
    image.src = full.src;
    place();
  }

  function makePane(frame, number, isSharpest) {
    const pane = document.createElement('figure');
    pane.className = 'pane';
    pane.innerHTML = '<div class="window"><img></div><figcaption><span></span> <button>Best <kbd></kbd></button></figcaption>';
    const image = pane.querySelector('img'), button = pane.querySelector('button');
    image.addEventListener('load', place);
    Object.assign(image, { src: `photos/${frame.id}/${LARGE}`, alt: frame.key, draggable: false });
    image.dataset.id = frame.id;
    pane.querySelector('span').textContent = [frame.key, captionOf(frame), isSharpest && 'sharpest'].filter(Boolean).join(' · ');
    button.dataset.place = number;
    button.lastElementChild.textContent = number + 1;
    return pane;
  }

  // One zoom for all frames. Changes are made in the pane that `point` is in, or in the first one.
  function change(next) {
    const image = panes.querySelector('.window:hover img') || panes.querySelector('img'), of = image && frameOf(image);
    if (!of) return;
    view = next(of);
    place();
  }

  const middle = ({ room }) => room.map((length) => length / 2);
  const zoom = {
    isOn: () => view !== null,
    toggle: (point) => change((of) => toggled(view, point || middle(of), of)),
    times: (factor, point, from) => change((of) => zoomed(view, factor, point, of, from)),
    move: (dx, dy) => change((of) => moved(view, dx, dy, of)),
  };
  addZoomHands(panes, (target) => target.closest('.window') || panes.querySelector('.window'), zoom);

  function pick(frame) {
    if (!frame) return;
    dialog.close();
    choose(frame.key);
  }

  panes.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button && !hands.isSecond()) pick(list[start + Number(button.dataset.place)]);
  });
  onResize(panes, place);
  dialog.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || hands.isHeld()) return;
    const key = letterOf(event), step = { arrowleft: -1, arrowright: 1 }[key];
    if (/^[1-4]$/.test(key) && start + Number(key) <= list.length) pick(list[start + Number(key) - 1]);
    else if (key === 'z') zoom.toggle(null);
    else if (preset.isCompare(key)) dialog.close();
    else if (step) { start = clampedStart(list, start + step); draw(); }
    else return;
    event.preventDefault();
  });
  dialog.addEventListener('close', () => panes.replaceChildren());
  return { open, isOpen: () => dialog.open };
}
