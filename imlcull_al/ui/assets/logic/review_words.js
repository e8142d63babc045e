// What the Review screen says. `table` as in review_table.js.
import { CULL, KEEP, STEPS, decide, isReadable } from './review_table.js';

export const SIDES = ['open', 'kept', 'culled'], WORDS = ['', 'keep', 'cull'];
const TAIL = 8;
export const CODES = { keep: KEEP, cull: CULL };

export function percent(steps) { return `${Math.floor(steps * 100 / STEPS)}%`; }

// A photo's name in two parts, the second of which is always shown: names differ at their ends.
export function partsOf(name) {
  const letters = [...name];
  return [letters.slice(0, -TAIL).join(''), letters.slice(-TAIL).join('')];
}

export function number(value) { return value.toLocaleString('en'); }

// Facts about a photo: answer or side, score, why it is unreadable.
export function factsOf(table, row, threshold) {
  const label = table.labels[row], side = decide(table, row, threshold);
  return [
    label ? `your answer: ${WORDS[label]}` : side && SIDES[side],
    table.scores[row] >= 0 && `score ${percent(table.scores[row])}`,
    !isReadable(table, row) && `can't be read: ${table.unreadable[row]}`,
  ].filter(Boolean);
}

// What stands beside the counts of both sides.
export function othersOf({ labeled, unreadable, open }) {
  const others = [[labeled, 'decided by you'], [unreadable, 'unreadable'], [open, 'without a score']];
  return others.filter(([value]) => value).map(([value, name]) => `, ${number(value)} ${name}`).join('');
}

const NOTHING = {
  all: 'No photos here.', close: 'No score is near the threshold.', emptied: 'Every moment keeps a photo.',
  crowded: 'No burst keeps several photos.', copies: 'No photo is there twice.', beyond: 'No burst keeps more.',
};

export function nothingIn(filter) { return NOTHING[filter] ?? `No photos are ${filter}.`; }

export function selectedOf(count, isPicking) {
  return `${number(count)} selected${isPicking && count === 1 ? '; tap the last one of the range' : ''}`;
}
