// Which keys are shortcuts for the photo: one rule for all screens. Where the focus is (`hand`, see focus.js) is `photo`,
// `control` or `field`. On the photo, all keys are shortcuts. On a button or slider, which use arrows, Space and Enter
// themselves, only other keys are. In a text field, menu or dialog, none are.
const FOR_CONTROLS = new Set(
  [' ', 'enter', 'tab', 'home', 'end', 'pageup', 'pagedown', 'arrowleft', 'arrowright', 'arrowup', 'arrowdown']);

const FOREIGN = /^(?!\p{Script=Latin})\p{L}$/u;

// What a key means, in lower case: the letter that is on it, or where the layout has no Latin ones, the letter of its place.
export function letterOf({ key, code }) {
  const place = FOREIGN.test(key) && /^Key([A-Z])$/.exec(code);
  return (place ? place[1] : key).toLowerCase();
}

export function isForPhoto(event, hand) {
  if (event.defaultPrevented || !isPlain(event)) return false;
  return hand === 'photo' || (hand === 'control' && !FOR_CONTROLS.has(event.key.toLowerCase()));
}

// Neither a browser shortcut nor part of IME composition.
function isPlain(event) {
  const isComposed = event.isComposing || event.keyCode === 229;
  return !isComposed && !event.ctrlKey && !event.metaKey && !event.altKey && !event.getModifierState('AltGraph');
}

export function isSelectAll(event) {
  return (event.ctrlKey || event.metaKey) && !event.altKey && letterOf(event) === 'a';
}
