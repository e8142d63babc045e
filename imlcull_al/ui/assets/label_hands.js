// Input on the Label screen: touch, buttons, keys, the queue's menu.
import { handIsOn } from './focus.js';
import { isForPhoto } from './logic/keys.js';
import { answerOf, hintsOf } from './logic/label_keys.js';
import { isAnswer } from './logic/label_presses.js';
import { hands } from './page.js';
import { addZoomHands } from './zoom_hands.js';

// `press(what, label)` takes presses, `pressOf(event)` tells that of a key, `complain(text)` says why one was ignored.
// `swipes`: whether a swipe answers. Returns what follows the pointer.
export function addHands(element, { find }, { zoom, press, pressOf, swipes, complain }) {
  const stage = find('stage');
  let pointer = null; // its position on the stage

  // The photo follows the finger, and a hint shows which answer releasing it would give.
  function swing(x) {
    if (!swipes) return;
    const [keep, cull] = hintsOf(x);
    find('photo').style.transform = x ? `translateX(${x}px)` : '';
    find('keep-hint').style.opacity = keep;
    find('cull-hint').style.opacity = cull;
  }

  function swipe(x) {
    const answer = swipes && answerOf(x);
    if (answer) press('answer', answer);
  }

  // A click that leaves a menu or field does only that.
  const isMine = () => handIsOn(document.activeElement || document.body, stage) !== 'field';
  addZoomHands(stage, () => stage, { ...zoom, isOn: zoom.isClose }, { isMine, swing, swipe });
  stage.addEventListener('pointermove', (event) => {
    const box = stage.getBoundingClientRect();
    pointer = [event.clientX - box.left, event.clientY - box.top];
  });
  stage.addEventListener('pointerleave', () => { pointer = null; });

  // --- buttons and keys

  element.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-do]');
    if (!button || button.disabled) return;
    if (event.detail) stage.focus({ preventScroll: true }); // by pointer, not keyboard: return focus to the photo
    if (isAnswer(button.dataset.do) && hands.isSecond()) { complain('Double click: only the first click counted.'); return; }
    press(button.dataset.do, button.dataset.label);
  });

  function onKey(event) {
    if (!element.isConnected) { document.removeEventListener('keydown', onKey); return; }
    if (!element.offsetParent) return;
    if (hands.isHeld()) { if (event.target.closest?.('button[data-do]')) event.preventDefault(); return; } // a held Enter would keep clicking
    if (!isForPhoto(event, handIsOn(event.target, stage))) return;
    const meant = pressOf(event);
    if (meant) press(...meant);
    else if (event.key === 'Escape' && zoom.isOn()) zoom.end();
    else return;
    event.preventDefault();
  }

  document.addEventListener('keydown', onKey);
  return { still: () => swing(0), place: () => pointer || [stage.clientWidth / 2, stage.clientHeight / 2] };
}

// The menu keeps keyboard focus until it is left: on some systems, arrow keys change it while it is closed.
export function addMenu(menu, stage, chosen) {
  let isByPointer = false;
  menu.addEventListener('pointerdown', () => { isByPointer = true; });
  menu.addEventListener('keydown', () => { isByPointer = false; });
  menu.addEventListener('change', () => { chosen(); if (isByPointer) stage.focus({ preventScroll: true }); });
  menu.addEventListener('keyup', (event) => {
    if (event.key === 'Enter' || event.key === 'Escape') stage.focus({ preventScroll: true });
  });
}
