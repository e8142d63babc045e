// The keys of the Label screen.
const ANSWERS = { k: 'keep', p: 'keep', arrowright: 'keep', c: 'cull', x: 'cull', arrowleft: 'cull' };
const ACTIONS = { u: 'undo', s: 'skip', z: 'zoom', m: 'map', ' ': 'next', arrowdown: 'next', arrowup: 'previous', '?': 'help', '/': 'search' };
const SWIPE = 70; // pixels

// What a key, in lower case, does: [what] or [answer, label]; null if nothing.
export function pressOf(key) {
  if (Object.hasOwn(ANSWERS, key)) return ['answer', ANSWERS[key]];
  return Object.hasOwn(ACTIONS, key) ? [ACTIONS[key]] : null;
}

// What a swipe of `x` pixels to the right answers; null if it was too short.
export function answerOf(x) {
  if (Math.abs(x) < SWIPE) return null;
  return x > 0 ? 'keep' : 'cull';
}

// Opacity of the hints which answer releasing would give: [keep, cull].
export function hintsOf(x) { return [x, -x].map((toward) => Math.max(0, Math.min(1, toward / SWIPE))); }
