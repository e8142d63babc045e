// Click, wheel, pinch and drag on photos that can be zoomed, for all screens that show one large.
import { hands } from './page.js';

const STEP = 400;  // pixels of the wheel that enlarge e times
const STILL = 8;   // pixels that a click may move
const LINE = 16;   // pixels, where the wheel counts in lines

// `area`: the element. `boxOf(target)`: the element whose upper left corner points are counted from. `zoom`: isOn(),
// toggle(point), times(factor, point, from), move(dx, dy), see zoom.js. `isMine()`: whether a press on the area is meant for the photo.
// `swing(x)`: one finger on a whole photo has moved this far to the right; `swipe(x)`: and was lifted there.
export function addZoomHands(area, boxOf, zoom, { isMine = () => true, swing = () => {}, swipe = () => {} } = {}) {
  const down = new Map(); // pointer → [x, y]
  let way = 0, swung = 0, isPinch = false, isClick = false;

  function pointOf(event, [x, y] = [event.clientX, event.clientY]) {
    const box = boxOf(event.target).getBoundingClientRect();
    return [x - box.left, y - box.top];
  }

  function spread() {
    const [[x, y], [otherX, otherY]] = [...down.values()];
    return { middle: [(x + otherX) / 2, (y + otherY) / 2], apart: Math.max(1, Math.hypot(x - otherX, y - otherY)) };
  }

  area.addEventListener('pointerdown', (event) => {
    if (event.button || event.target.closest('button') || down.size > 1) return;
    if (!down.size) { [way, swung, isPinch] = [0, 0, false]; isClick = isMine(); }
    down.set(event.pointerId, [event.clientX, event.clientY]);
    if (down.size > 1) { isPinch = true; swing(0); } // two fingers never answer
    event.target.setPointerCapture(event.pointerId);
  });

  area.addEventListener('pointermove', (event) => {
    if (!down.has(event.pointerId)) return;
    const [x, y] = down.get(event.pointerId), before = down.size > 1 && spread();
    const [dx, dy] = [event.clientX - x, event.clientY - y];
    down.set(event.pointerId, [event.clientX, event.clientY]);
    way += Math.abs(dx) + Math.abs(dy);
    if (before) {
      const { middle, apart } = spread();
      zoom.times(apart / before.apart, pointOf(event, middle), pointOf(event, before.middle));
    } else if (zoom.isOn()) zoom.move(dx, dy);
    else if (event.pointerType !== 'mouse' && !isPinch) { swung += dx; swing(swung); }
  });

  function lift(event, isMeant) {
    if (!down.delete(event.pointerId) || down.size) return;
    swing(0);
    if (!isMeant || isPinch) way = Infinity;
    else if (!zoom.isOn()) swipe(swung);
  }

  area.addEventListener('pointerup', (event) => lift(event, true));
  area.addEventListener('pointercancel', (event) => lift(event, false));
  area.addEventListener('click', (event) => {
    if (event.detail && isClick && way < STILL && !event.target.closest('button') && !hands.isSecond()) zoom.toggle(pointOf(event));
  });
  area.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoom.times(Math.exp(-event.deltaY * (event.deltaMode ? LINE : 1) / STEP), pointOf(event));
  }, { passive: false });
  // The browser would scroll with two fingers, and take them away.
  area.addEventListener('touchstart', (event) => { if (event.touches.length > 1) event.preventDefault(); }, { passive: false });
}
