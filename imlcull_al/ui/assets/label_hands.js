// Input on the Label screen: zoom, touch, buttons, keys. Starts the screen.
// --- zoom and swipe

function toggleZoom(photo) {
  if (zoom.isOn()) { zoom.end(); return; }
  const frame = picture.frame();
  const place = pointer || { x: stage.clientWidth / 2, y: stage.clientHeight / 2 };
  if (frame) zoom.start(photo, frame, place.x, place.y);
}

// The map is hidden at 100 %, so turning it on ends the zoom.
function toggleMap() {
  map.turn(zoom.isOn() || !map.isOn());
  zoom.end();
}

// The photo follows the finger, and a hint shows which answer releasing it would give.
function swing(x) {
  const photo = find('photo');
  photo.style.transform = x ? `translateX(${x}px)` : '';
  find('keep-hint').style.opacity = Math.max(0, Math.min(1, x / SWIPE));
  find('cull-hint').style.opacity = Math.max(0, Math.min(1, -x / SWIPE));
}

stage.addEventListener('pointermove', (event) => {
  const box = stage.getBoundingClientRect();
  pointer = { x: event.clientX - box.left, y: event.clientY - box.top };
  if (!drag || drag.id !== event.pointerId) return;
  if (zoom.isOn()) zoom.move(event.clientX - drag.x, event.clientY - drag.y);
  else if (event.pointerType !== 'mouse') { drag.swung += event.clientX - drag.x; swing(drag.swung); }
  Object.assign(drag, { x: event.clientX, y: event.clientY });
});
stage.addEventListener('pointerleave', () => { if (!drag) pointer = null; });
stage.addEventListener('pointerdown', (event) => {
  if (event.button || drag) return;
  drag = { id: event.pointerId, x: event.clientX, y: event.clientY, swung: 0 };
  stage.setPointerCapture(event.pointerId);
});
function endDrag(event, isMeant) {
  if (!drag || drag.id !== event.pointerId) return;
  const { swung } = drag;
  drag = null;
  swing(0);
  if (isMeant && Math.abs(swung) >= SWIPE) press('answer', swung > 0 ? 'keep' : 'cull');
}
stage.addEventListener('pointerup', (event) => endDrag(event, true));
stage.addEventListener('pointercancel', (event) => endDrag(event, false));
stage.addEventListener('wheel', (event) => {
  if (!zoom.isOn()) return;
  zoom.move(-event.deltaX, -event.deltaY);
  event.preventDefault();
}, { passive: false });

// --- buttons, keys, the queue's menu

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-do]');
  if (!button || button.disabled) return;
  if (event.detail) stage.focus({ preventScroll: true }); // by pointer, not keyboard: return focus to the photo
  const isOnce = isAnswer({ what: button.dataset.do });
  if (isOnce && hands.isSecond()) { trouble = 'Double click: only the first click counted.'; tell(); return; }
  press(button.dataset.do, button.dataset.label);
});

function onKey(event) {
  if (!element.offsetParent) return;
  if (hands.isHeld()) { if (event.target.closest?.('button[data-do]')) event.preventDefault(); return; } // a held Enter would keep clicking
  if (!isForPhoto(event, stage)) return;
  const key = event.key.toLowerCase();
  if (key in KEYS) press('answer', KEYS[key]);
  else if (key in ACTIONS) press(ACTIONS[key]);
  else if (key === 'escape' && zoom.isOn()) zoom.end();
  else return;
  event.preventDefault();
}

// The menu keeps keyboard focus until it is left: on some systems, arrow keys change it while it is closed.
let isByPointer = false;
choice.addEventListener('pointerdown', () => { isByPointer = true; });
choice.addEventListener('keydown', () => { isByPointer = false; });
choice.addEventListener('change', () => { chooseQueue(); if (isByPointer) stage.focus({ preventScroll: true }); });
choice.addEventListener('keyup', (event) => {
  if (event.key === 'Enter' || event.key === 'Escape') stage.focus({ preventScroll: true });
});

const QUEUE_MEMORY = 'imlcull queue';
function rememberQueue() {
  try { sessionStorage.setItem(QUEUE_MEMORY, choice.value); } catch { /* storage is disabled */ }
}
function rememberedQueue() {
  try { return sessionStorage.getItem(QUEUE_MEMORY); } catch { return null; }
}

// --- the page

function onLeave() {
  const body = JSON.stringify({ ...act.here(), do: 'leave', visitor: outbox.visitor });
  navigator.sendBeacon('act/label', new Blob([body], { type: 'application/json' }));
}
function onReturn(event) { if (event.persisted) look(); }

document.addEventListener('keydown', onKey);
window.addEventListener('pagehide', onLeave);
window.addEventListener('pageshow', onReturn);
const polling = setInterval(() => {
  if (!element.isConnected) {
    clearInterval(polling);
    document.removeEventListener('keydown', onKey);
    window.removeEventListener('pagehide', onLeave);
    window.removeEventListener('pageshow', onReturn);
  } else if (isHere()) look();
}, 2000);

if ([...choice.options].some((option) => option.value === rememberedQueue())) choice.value = rememberedQueue();
isAsking = true;
outbox.join({ isThere: () => element.isConnected, took, said: tell });
look();
