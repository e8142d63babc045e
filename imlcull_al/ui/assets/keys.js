// Which keys and clicks are shortcuts for the photo: one rule for all screens.
// With focus on the photo or nowhere, all keys are. On a button or slider, which use arrows, Space and Enter themselves,
// only other keys are. In a text field, menu or dialog, none are.
const FOR_CONTROLS = [' ', 'enter', 'tab', 'home', 'end', 'pageup', 'pagedown', 'arrowleft', 'arrowright', 'arrowup', 'arrowdown'];
const ROLES = ['dialog', 'alertdialog', 'menu', 'menubar', 'listbox', 'combobox', 'textbox', 'searchbox', 'spinbutton', 'tree', 'grid'];
const FIELDS = ['input:not([type=button], [type=submit], [type=checkbox], [type=radio], [type=range])', 'textarea', 'select',
  '[contenteditable]:not([contenteditable=false])', 'dialog', '[data-keys=own]', ...ROLES.map((role) => `[role=${role}]`)].join();

// Classify the focused element `target` as `photo`, `control` or `field`. `photo`: the element that shows the photo.
function handIsOn(target, photo) {
  const on = target.closest ? target : document.body, field = on.closest(FIELDS);
  const dialog = document.querySelector('dialog:modal, [aria-modal=true]');
  if ((field && !field.contains(photo)) || (dialog && !dialog.contains(photo))) return 'field';
  return [document.body, document.documentElement, photo].includes(on) ? 'photo' : 'control';
}

// Neither a browser shortcut nor part of IME composition.
function isPlain(event) {
  const isComposed = event.isComposing || event.keyCode === 229;
  return !isComposed && !event.ctrlKey && !event.metaKey && !event.altKey && !event.getModifierState('AltGraph');
}

function isForPhoto(event, photo) {
  if (event.defaultPrevented || !isPlain(event)) return false;
  const hand = handIsOn(event.target, photo);
  return hand === 'photo' || (hand === 'control' && !FOR_CONTROLS.includes(event.key.toLowerCase()));
}

// Whether `click` is the second of a double click or double tap. `before`: the previous click, if any.
function isSecond(click, before) {
  if (click.detail > 1) return true;
  if (!click.detail || !before) return false; // detail 0: triggered by a key
  const apart = Math.hypot(click.clientX - before.clientX, click.clientY - before.clientY);
  return click.timeStamp - before.timeStamp < 350 && apart < 30;
}

// Tracks all keys and clicks of the page. Inside an event handler, `isHeld()` tells whether the key was already down,
// even if it went down elsewhere, and `isSecond()` whether the click is the second of a double click.
function makeHands() {
  const HELD = 1000; // ms: longest gap between repeats of a held key; needed because a menu may swallow keyup
  const down = new Map(); // code → time
  let held = false, second = false, before = null;
  document.addEventListener('keydown', (event) => {
    held = event.repeat || event.timeStamp - down.get(event.code) < HELD;
    if (event.code) down.set(event.code, event.timeStamp);
  }, true);
  document.addEventListener('keyup', (event) => { down.delete(event.code); }, true);
  document.addEventListener('click', (event) => {
    second = isSecond(event, before);
    if (event.detail) before = event;
  }, true);
  return { isHeld: () => held, isSecond: () => second };
}
