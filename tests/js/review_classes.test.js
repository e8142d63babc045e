import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { makeClasses } from '../../imlcull_al/ui/assets/logic/review_classes.js';
import { countEach } from '../../imlcull_al/ui/assets/logic/review_filters.js';
import { arrangeRows } from '../../imlcull_al/ui/assets/logic/review_table.js';

const GARMENT = { classes: ['shirt', 'dress', 'shoe'], isExclusive: true };
const NOTES = { classes: ['red', 'worn'], isExclusive: false };
// Rows 0 to 4: guessed dress; answered shirt and guessed dress; answered shoe as guessed; unreadable; nothing known.
const SENT = {
  texts: ['', 'shirt', 'shoe', 'dress'], labels: [0, 1, 2, 0, 0], guesses: [3, 3, 2, 0, 0], scores: [9000, 6000, 8000, -1, -1],
  unreadable: { 3: 'no image' },
};
let garment, table;

beforeEach(() => {
  garment = makeClasses(GARMENT);
  table = garment.read(SENT);
});

function shown(filter, sort = 'name') { return arrangeRows(table, sort, garment.filterOf(filter)(table)); }

test('filters', () => {
  const names = ['all', 'labeled', 'unlabeled', 'disagreements', 'unreadable', 'class:dress', 'class:shirt', 'class:shoe'];
  assert.deepEqual(names.map((name) => shown(name)), [[0, 1, 2, 3, 4], [1, 2], [0, 3, 4], [1], [3], [0], [1], [2]]);
  assert.deepEqual(shown('all', 'score'), [0, 2, 1, 3, 4]);
  assert.deepEqual(countEach(table, 0, names, garment.filterOf), [5, 2, 3, 1, 1, 1, 1, 1]);
});

test('a photo looks like what was answered, else like what is likely', () => {
  assert.deepEqual([0, 1, 2, 4].map((row) => garment.lookOf(table, row)), [
    { look: 'told', mark: 'dress', colour: 'var(--class-1)' }, { look: 'told labeled overruled', mark: '✓ shirt', colour: 'var(--class-0)' },
    { look: 'told labeled', mark: '✓ shoe', colour: 'var(--class-2)' }, { look: 'told', mark: '', colour: 'var(--line)' },
  ]);
});

test('facts', () => {
  assert.deepEqual([0, 1, 3, 4].map((row) => garment.factsOf(table, row)), [
    ['likely dress', 'score 90%'], ['your answer: shirt', 'score 60%'], ["can't be read: no image"], [],
  ]);
  assert.deepEqual(garment.factsOf({ ...table, by: 'shoe' }, 0), ['likely dress', 'shoe 90%']);
});

test('codes last from one reply to the next', () => {
  const [code] = garment.relabeled([0], 'dress');
  const next = garment.read({ ...SENT, texts: ['', 'dress'], labels: [1, 0, 0, 0, 0], guesses: [0, 0, 0, 0, 0] });
  assert.deepEqual([next.labels[0], garment.textOf(code)], [code, 'dress']);
  assert.deepEqual([garment.has(code, 'dress'), garment.has(code, 'shoe'), garment.has(0, 'dress')], [true, false, false]);
});

test('numbers answer where there are few classes, and no key of cull does', () => {
  assert.deepEqual(['1', '3', '4', '0', 'k', 'c', 'enter'].map(garment.answerOf), ['shirt', 'shoe', null, null, null, null, null]);
  assert.equal(makeClasses({ ...GARMENT, classes: [...'abcdefghij'] }).answerOf('1'), null);
});

test('a class is the same answer for all', () => {
  assert.deepEqual(garment.relabeled([0, 1, 2], 'shoe').map(garment.textOf), ['shoe', 'shoe', 'shoe']);
});

test('a tag is added to what was said, and taken if all have it', () => {
  const notes = makeClasses(NOTES), { labels } = notes.read({
    texts: ['', 'red=1;worn=0', 'red=0'], labels: [0, 1, 2], guesses: [0, 0, 0], scores: [-1, -1, -1], unreadable: {},
  });
  const worn = notes.relabeled(labels, 'worn');
  assert.deepEqual(worn.map(notes.textOf), ['worn=1', 'red=1;worn=1', 'red=0;worn=1']);
  assert.deepEqual(notes.relabeled(worn, 'worn').map(notes.textOf), ['worn=0', 'red=1;worn=0', 'red=0;worn=0']);
});

test('tags disagree only where both are known; none is an answer', () => {
  const notes = makeClasses(NOTES), read = notes.read({
    texts: ['', 'red=1', 'red=1;worn=1', 'red=0;worn=0'], labels: [1, 3, 0], guesses: [2, 2, 3], scores: [1, 1, 1], unreadable: {},
  });
  assert.deepEqual([0, 1, 2].map((row) => notes.filterOf('disagreements')(read)(row)), [false, true, false]);
  assert.deepEqual([1, 2].map((row) => notes.lookOf(read, row).mark), ['✓ none', 'none']);
});

test('an empty list', () => {
  assert.deepEqual(['all', 'disagreements', 'class:dress', 'unreadable'].map(garment.nothingIn),
    ['No photos here.', 'No answer disagrees with the scores.', 'No photos are dress.', 'No photos are unreadable.']);
});
