// Which keys and clicks are meant for the photo: one rule for all screens.
// A hand on the photo, or on nothing, means the photo with every key. On a button or a slider, which take arrows, Space
// and Enter for themselves, it means the photo with letters. In a field, a menu or a dialog it never does.
const FOR_CONTROLS = [' ', 'enter', 'tab', 'home', 'end', 'pageup', 'pagedown', 'arrowleft', 'arrowright', 'arrowup', 'arrowdown'];
const ROLES = ['dialog', 'alertdialog', 'menu', 'menubar', 'listbox', 'combobox', 'textbox', 'searchbox', 'spinbutton', 'tree', 'grid'];
const FIELDS = ['input:not([type=button], [type=submit], [type=checkbox], [type=radio], [type=range])', 'textarea', 'select',
  '[contenteditable]:not([contenteditable=false])', 'dialog', '[data-keys=own]', ...ROLES.map((role) => `[role=${role}]`)].join();

// Where the hand is: `photo`, `control` or `field`. `target`: what has the focus; `photo`: the element that shows it.
function handIsOn(target, photo) {
  const on = target.closest ? target : document.body, field = on.closest(FIELDS);
  const dialog = document.querySelector('dialog:modal, [aria-modal=true]');
  if ((field && !field.contains(photo)) || (dialog && !dialog.contains(photo))) return 'field';
  return [document.body, document.documentElement, photo].includes(on) ? 'photo' : 'control';
}

// Not a shortcut of the browser's, and not a part of a character that is being composed.
function isPlain(event) {
  const isComposed = event.isComposing || event.keyCode === 229;
  return !isComposed && !event.ctrlKey && !event.metaKey && !event.altKey && !event.getModifierState('AltGraph');
}

function isForPhoto(event, photo) {
  if (event.defaultPrevented || !isPlain(event)) return false;
  const hand = handIsOn(event.target, photo);
  return hand === 'photo' || (hand === 'control' && !FOR_CONTROLS.includes(event.key.toLowerCase()));
}

// The second click of a double click, or the second tap of a double tap. `before`: the click before it, if any.
function isSecond(click, before) {
  if (click.detail > 1) return true;
  if (!click.detail || !before) return false; // no detail: by a key
  const apart = Math.hypot(click.clientX - before.clientX, click.clientY - before.clientY);
  return click.timeStamp - before.timeStamp < 350 && apart < 30;
}

// Follows all keys and clicks of the page. Asked while one is handled: `isHeld()`, whether its key was down already,
// wherever that began; `isSecond()`, whether it is the second click of two.
function makeHands() {
  const HELD = 1000; // milliseconds between two events of a key that is held, at most; a menu may swallow its end
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
