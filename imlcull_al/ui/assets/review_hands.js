// Input on the Review screen: clicks, touch and keys. `screen` has the actions, see review.js.
import { handIsOn } from './focus.js';
import { isForPhoto, isSelectAll, letterOf } from './logic/keys.js';
import { hands } from './page.js';
import { stepOf } from './logic/review_keys.js';
import { STEPS } from './logic/review_table.js';

const HOLD = 450; // milliseconds of a long press by touch

export function addHands(element, screen) {
  const { find, selection, grid } = screen;
  const closer = find('.closer'), cells = find('.cells'), list = find('.list'), slider = find('.threshold');
  let clicked = null;  // the cell of the first click of a double click
  let isPicking = false, isResting = false, holding = 0; // long press by touch

  const does = {
    undo: screen.undo,
    accept: screen.accept,
    'keep-best': (button) => screen.keepBest(button.parentElement.burst),
    again: screen.rearrange,
    clear: () => pickNone(),
    previous: () => screen.moveTo(selection.focus() - 1),
    next: () => screen.moveTo(selection.focus() + 1),
    close: () => closer.close(),
  };

  // The element that takes photo shortcuts: the large view while open, else the grid.
  function hold() { return closer.open ? closer : list; }

  function pickNone() { selection.pickNone(); screen.drawFocus(); }

  // --- clicks

  element.addEventListener('click', (event) => {
    if (!screen.isReady()) return;
    const button = event.target.closest('button'), cell = event.target.closest('.cell'), isSecond = hands.isSecond();
    const isAnswer = event.target.closest('[data-answer]');
    if (isSecond && (isAnswer || (cell && cell !== clicked))) return; // a double click answers once, and never the photo that moved under the pointer
    if (!isSecond) clicked = cell;
    if (button && event.detail) hold().focus({ preventScroll: true }); // by pointer, not keyboard: return focus to the photos
    if (button && button.dataset.filter) screen.choose(button.dataset.filter);
    else if (button && button.dataset.answer) screen.answer(button.dataset.answer);
    else if (button && button.dataset.do) does[button.dataset.do](button);
    else if (cell) clickCell(cell.position, event);
  });

  function clickCell(position, event) {
    const pick = event.target.dataset.answer;
    if (isResting) { isResting = false; return; }
    if (isPicking && event.pointerType === 'touch') { screen.moveTo(position, true); return; }
    if (event.shiftKey) screen.moveTo(position, true);
    else if (event.ctrlKey || event.metaKey) { selection.toggle(position); screen.drawFocus(); }
    else screen.moveTo(position);
    if (pick) screen.answer(pick);
    else if (event.pointerType === 'touch') screen.openLarge();
  }

  element.addEventListener('dblclick', (event) => {
    const cell = event.target.closest('.cell');
    if (cell && cell === clicked && !event.target.dataset.answer) screen.openLarge();
  });

  // --- touch: a long press starts a range; the next tap ends it

  cells.addEventListener('pointerdown', (event) => {
    const cell = event.target.closest('.cell');
    clearTimeout(holding);
    isResting = false;
    if (event.pointerType !== 'touch' || !cell) return;
    holding = setTimeout(() => {
      isResting = isPicking = true;
      selection.beginRange(cell.position);
      screen.drawFocus();
    }, HOLD);
  });
  ['pointerup', 'pointercancel', 'pointerleave'].forEach((name) => cells.addEventListener(name, () => clearTimeout(holding)));
  cells.addEventListener('scroll', () => clearTimeout(holding), { passive: true });
  cells.addEventListener('contextmenu', (event) => { if (isResting || isPicking) event.preventDefault(); });

  // --- threshold and order

  slider?.addEventListener('input', () => { if (screen.isReady()) screen.part(slider.value * STEPS / 100); });
  slider?.addEventListener('change', () => { if (screen.isReady()) screen.keepThreshold(); });
  menu('.order', screen.reorder);
  menu('.most', screen.atMost);

  // A menu that was changed by pointer leaves the keys to the photos.
  function menu(selector, changed) {
    const select = find(selector);
    let isByPointer = false;
    select?.addEventListener('pointerdown', () => { isByPointer = true; });
    select?.addEventListener('keydown', () => { isByPointer = false; });
    select?.addEventListener('change', () => {
      if (screen.isReady()) changed();
      if (isByPointer) list.focus({ preventScroll: true });
    });
  }

  // --- keys

  function onKey(event) {
    if (!element.isConnected) { document.removeEventListener('keydown', onKey); return; }
    if (!screen.isReady() || !element.offsetParent) return;
    const key = letterOf(event), isHeld = hands.isHeld();
    if (isHeld && event.target.closest?.('button') && key === 'enter') event.preventDefault(); // a held Enter would keep clicking
    else if (isForAll(event)) { selection.pickAll(); screen.drawFocus(); event.preventDefault(); }
    else if (isForPhoto(event, handIsOn(event.target, hold())) && strike(key, event.shiftKey, isHeld)) event.preventDefault();
  }

  function isForAll(event) {
    return isSelectAll(event) && !closer.open && handIsOn(event.target, list) !== 'field';
  }

  // Handle a key; false if it has no meaning here. A held key moves through the photos but never answers.
  function strike(key, isRange, isHeld) {
    const focus = selection.focus(), across = (count) => (closer.open ? focus + count : grid.across(focus, count));
    const to = stepOf(key, focus, selection.shown().length, across, closer.open ? 1 : grid.rows());
    if (to !== null) {
      hold().focus({ preventScroll: true });
      screen.moveTo(to, isRange && !closer.open);
    } else if (isHeld) return false;
    else if (key === 'escape' && !closer.open) pickNone();
    else if (key === 'enter') { if (closer.open) closer.close(); else screen.openLarge(); }
    else if (screen.answerOf(key)) screen.answer(screen.answerOf(key));
    else if (key === 'u') screen.undo();
    else if (key === 'r') screen.rearrange();
    else return false;
    return true;
  }

  document.addEventListener('keydown', onKey);
  return {
    isPicking: () => isPicking,
    stopPicking() { isPicking = false; },
  };
}
