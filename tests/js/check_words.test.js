import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answerOf, factsOf, labelsOf, namesOf, scoreOf } from '../../imlcull_al/ui/assets/logic/check_words.js';

const CULL = { classes: ['keep', 'cull'], isExclusive: true, isCull: true };
const TWO = { classes: ['shirt', 'dress'], isExclusive: true, isCull: false };
const TAG = { classes: ['torn'], isExclusive: false, isCull: false };

test('marked photos get the first class or the tag, the others the other', () => {
  assert.deepEqual([CULL, TWO, TAG].map(labelsOf), [
    { first: 'keep', other: 'cull' }, { first: 'shirt', other: 'dress' }, { first: 'torn=1', other: 'torn=0' }]);
  assert.deepEqual([CULL, TWO, TAG].map((task) => namesOf(task).many), ['keepers', 'shirt photos', 'photos with torn']);
  assert.deepEqual([CULL, TWO, TAG].map((task) => namesOf(task).other), ['Cull', 'dress', 'Without torn']);
});

test('the button says what it answers', () => {
  const names = namesOf(CULL);
  assert.deepEqual([[0, 24], [0, 1], [1, 24], [3, 1200], [0, 0]].map(([marks, count]) => answerOf(names, marks, count)), [
    'None of 24 is a keeper', 'This is no keeper', '1 keeper, 23 not', '3 keepers, 1,197 not', 'Next']);
});

test('a photo is told with its mark, and with a score only where there is one', () => {
  const names = namesOf(CULL);
  assert.equal(factsOf(names, { key: 'a.jpg', p_keep: null }, true, false), 'a.jpg · keeper');
  assert.equal(factsOf(names, { key: 'a.jpg', p_keep: 0.299 }, false, false), 'a.jpg · score 29% · no keeper');
  assert.equal(factsOf(names, { key: 'a.jpg', p_keep: 0 }, true, true), 'a.jpg · score 0% · answered meanwhile');
  assert.equal(scoreOf(undefined), '');
});
