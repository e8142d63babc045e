// Input on the Check screen: clicks, touch and keys. `screen` has the actions, see check.js.
import { handIsOn } from './focus.js';
import { meantBy } from './logic/check_keys.js';
import { isForPhoto, letterOf } from './logic/keys.js';
import { stepOf } from './logic/review_keys.js';
import { hands, preset } from './page.js';

const HOLD = 450; // milliseconds of a long press by touch

export function addHands(element, { find, does, choose, isAsked, moveTo, toggleAt, focus, count, columns }) {
  const closer = find('.closer'), cells = find('.cells');
  let clicked = null, isResting = false, holding = 0;

  // The element that takes the keys for photos: the large view while open, else the sheet.
  function hold() { return closer.open ? closer : cells; }

  element.addEventListener('click', (event) => {
    const button = event.target.closest('button'), cell = event.target.closest('.cell');
    if (button && !button.disabled) {
      if (hands.isSecond() && ['answer', 'first', 'other'].includes(button.dataset.do)) return; // a double click answers once
      if (event.detail) hold().focus({ preventScroll: true }); // by pointer, not keyboard: return focus to the photos
      if (button.dataset.queue) choose(button.dataset.queue);
      else does[button.dataset.do]();
    } else if (cell) {
      if (isResting) { isResting = false; return; }
      if (!hands.isSecond()) clicked = cell;
      if (clicked === cell) toggleAt(cell.position); // a double click marks and unmarks
    }
  });
  element.addEventListener('dblclick', (event) => {
    const cell = event.target.closest('.cell');
    if (cell && cell === clicked) { moveTo(cell.position); does.large(); }
  });

  // --- touch: a long press opens the photo

  cells.addEventListener('pointerdown', (event) => {
    const cell = event.target.closest('.cell');
    clearTimeout(holding);
    isResting = false;
    if (event.pointerType !== 'touch' || !cell) return;
    holding = setTimeout(() => { isResting = true; moveTo(cell.position); does.large(); }, HOLD);
  });
  ['pointerup', 'pointercancel', 'pointerleave'].forEach((name) => cells.addEventListener(name, () => clearTimeout(holding)));
  cells.addEventListener('contextmenu', (event) => { if (isResting) event.preventDefault(); });

  // --- keys

  function onKey(event) {
    if (!element.isConnected) { document.removeEventListener('keydown', onKey); return; }
    if (!cells.offsetParent && !closer.open) return;
    const isHeld = hands.isHeld();
    if (isHeld && event.target.closest?.('button')) event.preventDefault(); // a held Enter would keep clicking
    else if (isForPhoto(event, handIsOn(event.target, hold())) && strike(letterOf(event), isHeld)) event.preventDefault();
  }

  // Handle a key; false if it has no meaning here. A held key moves but never answers.
  function strike(key, isHeld) {
    const width = closer.open ? 1 : columns();
    const to = isAsked() ? null : stepOf(key, focus(), count(), width, Math.ceil(count() / width));
    if (to !== null && count()) { moveTo(to); return true; }
    const meant = meantBy(key, isAsked(), preset);
    if (!meant) return false;
    if (isHeld) return true;
    if (closer.open && ['answer', 'large'].includes(meant)) closer.close();
    else does[meant]();
    return true;
  }

  document.addEventListener('keydown', onKey);
}
