import assert from 'node:assert/strict';
import { test } from 'node:test';

import { barsOf, likelyTags, wordsOf } from '../../imlcull_al/ui/assets/logic/label_likely.js';

const GARMENT = { classes: ['shirt', 'dress', 'shoe', 'hat'], isExclusive: true };
const NOTES = { classes: ['red', 'striped', 'worn'], isExclusive: false };
const MANY = { classes: [...'abcdefghij'], isExclusive: true };

test('the likeliest class and its probability', () => {
  const { spokenScore, isScored } = wordsOf(GARMENT), photo = { likely: [[1, 0.826], [0, 0.1]] };
  assert.deepEqual([photo, { likely: [] }, {}, null].map(spokenScore), ['Score: 83% dress', '', '', '']);
  assert.deepEqual([photo, { likely: [] }, {}, null].map(isScored), [true, false, false, false]);
  assert.equal(wordsOf(GARMENT).howSure(photo), '');
});

test('the likely tags, or none', () => {
  const { spokenScore } = wordsOf(NOTES);
  assert.equal(spokenScore({ likely: [[2, 0.9], [0, 0.5], [1, 0.4]] }), 'Likely: worn, red');
  assert.equal(spokenScore({ likely: [[2, 0.49]] }), 'Likely: none');
  assert.deepEqual(likelyTags({ likely: [[2, 0.9], [0, 0.5], [1, 0.4]] }), [2, 0]);
  assert.deepEqual(likelyTags(null), []);
});

test('three bars at most', () => {
  assert.deepEqual(barsOf(GARMENT, { likely: [[3, 0.5], [0, 0.3], [1, 0.146], [2, 0.054]] }), [
    { number: 3, name: 'hat', share: '50%' }, { number: 0, name: 'shirt', share: '30%' }, { number: 1, name: 'dress', share: '15%' },
  ]);
  assert.deepEqual(barsOf(GARMENT, null), []);
});

test('an answer, a spot check, a disagreement', () => {
  const said = (photo, task = GARMENT) => wordsOf(task).spokenAnswer({ queue: 'uncertain', label: null, likely: [], ...photo });
  assert.equal(wordsOf(GARMENT).spokenAnswer(null), '');
  assert.equal(said({}), '');
  assert.equal(said({ label: 'dress' }), 'Your answer: dress');
  assert.equal(said({ queue: 'audit', isOpen: true }), 'Spot check: score hidden, your answer tests the model.');
  const queue = 'disagreements';
  assert.equal(said({ queue, label: 'dress', likely: [[0, 0.9]] }), 'You said dress. 2 confirms it, another class changes it.');
  assert.equal(said({ queue, label: 'dress', likely: [[1, 0.9]] }), 'Your answer: dress');
  assert.equal(said({ queue, label: 'dress' }), 'Your answer: dress');
  assert.equal(said({ queue, label: 'j', likely: [[0, 0.9]] }, MANY), 'You said j. The same answer confirms it, another class changes it.');
});

test('what an answer says of tags, and what it could not say', () => {
  const said = (photo) => wordsOf(NOTES).spokenAnswer({ queue: 'uncertain', likely: [[0, 0.9]], ...photo });
  assert.equal(said({ label: 'red=1;striped=0;worn=1' }), 'Your answer: red, worn');
  assert.equal(said({ label: 'red=0;striped=0;worn=0' }), 'Your answer: none');
  assert.equal(said({ label: 'red=1;striped=0' }), 'Your answer: red. Not asked yet: worn.');
  assert.equal(said({ queue: 'disagreements', label: 'red=0;striped=0' }),
    'You said none. Not asked yet: worn. Enter confirms it; press tags to change it.');
});
