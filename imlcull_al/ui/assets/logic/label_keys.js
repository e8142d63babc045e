// The keys of the Label screen. Those that answer and compare are of a preset, see presets.js.
import { letterOf } from './keys.js';
import { isTyped, pressFor } from './task.js';

const ACTIONS = { arrowleft: 'left', arrowright: 'right', u: 'undo', s: 'skip', z: 'zoom', m: 'map', ' ': 'next', arrowdown: 'next', arrowup: 'previous', '?': 'help', '/': 'search' };
const SWIPE = 70; // pixels

// What a key, in lower case, does in the task cull: [what] or [answer, label]; null if nothing.
export function pressOf(key, preset) {
  const answer = preset.answerOf(key);
  if (answer) return ['answer', answer];
  if (preset.isCompare(key)) return ['compare'];
  return key === 'enter' ? ['burst'] : commandOf(key);
}

// The function that tells the press of a key event. In another task than cull, numbers press the buttons; of many classes,
// letters are typed, and commands take Shift. `typing`: see label_typing.js.
export function keysFor(task, typing, preset) {
  if (task.isCull) return (event) => pressOf(letterOf(event), preset);
  const saves = ({ key }) => (key === 'Enter' && !task.isExclusive ? ['answer'] : null);
  if (isTyped(task)) return (event) => typedOf(event, typing) || saves(event);
  return (event) => numberOf(event.key, task) || commandOf(letterOf(event)) || saves(event);
}

function numberOf(key, task) {
  const number = /^[1-9]$/.test(key) ? Number(key) : 0;
  return number && number <= task.classes.length ? pressFor(task, number - 1) : null;
}

function typedOf(event, typing) {
  const { key, shiftKey } = event, letter = letterOf(event), isLetter = /^[a-z]$/.test(letter), command = commandOf(letter);
  if (command && (isLetter ? shiftKey : key !== ' ' || typing.isEmpty())) return command;
  return typing.strike(key);
}

function commandOf(key) { return Object.hasOwn(ACTIONS, key) ? [ACTIONS[key]] : null; }

// What a swipe of `x` pixels to the right answers; null if it was too short.
export function answerOf(x) {
  if (Math.abs(x) < SWIPE) return null;
  return x > 0 ? 'keep' : 'cull';
}

// Opacity of the hints which answer releasing would give: [keep, cull].
export function hintsOf(x) { return [x, -x].map((toward) => Math.max(0, Math.min(1, toward / SWIPE))); }
