import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bodiesWithin, runs, sift } from '../../imlcull_al/ui/assets/logic/presses.js';

function entry(visitor, stage, photos, number = 1) {
  return { visitor, about: { stage, project: 'p' }, press: { number, keys: Array(photos).fill('x') } };
}

function sizes(found) { return found.map((run) => run.map(({ press }) => press.keys.length)); }

test('runs are of one visitor and one stage, and not too long', () => {
  const entries = [['a', 1, 1], ['a', 1, 1], ['a', 1, 1], ['b', 1, 1], ['b', 2, 9], ['b', 2, 1]].map((each) => entry(...each));
  assert.deepEqual(sizes(runs(entries, 2, 3)), [[1, 1], [1], [1], [9], [1]]);
  assert.deepEqual(sizes(runs(entries)), [[1, 1, 1], [1], [9, 1]]);
  assert.deepEqual(runs([]), []);
});

test('another project is another run', () => {
  const one = entry('a', 1, 1), other = { ...one, about: { stage: 1, project: 'q' } };
  assert.deepEqual(runs([one, other]), [[one], [other]]);
});

test('a press without keys counts as one photo', () => {
  const one = { visitor: 'a', about: {}, press: { number: 1, key: 'x' } };
  assert.deepEqual(runs([one, one, one], 500, 2).map((run) => run.length), [2, 1]);
});

test('the first runs that fit are sent at the end', () => {
  const entries = [entry('a', 1, 1), entry('b', 1, 1), entry('c', 1, 1)];
  const all = bodiesWithin(entries, Infinity), [first, second] = all;
  assert.deepEqual(all.length, 3);
  assert.equal(first, '{"stage":1,"project":"p","visitor":"a","presses":[{"number":1,"keys":["x"]}]}');
  assert.deepEqual(bodiesWithin(entries, first.length + second.length), [first, second]);
  assert.deepEqual(bodiesWithin(entries, first.length + second.length - 1), [first]);
  assert.deepEqual(bodiesWithin(entries, 0), []);
});

test('the undo of a refused press is vain, but not one of another visitor', () => {
  const run = [entry('a', 1, 1, 1), entry('a', 1, 1, 2)];
  const undo = { visitor: 'a', about: {}, press: { number: 3, of: 2 } }, theirs = { ...undo, visitor: 'b' };
  const other = { ...undo, press: { number: 4, of: 1 } };
  const refusals = [{ number: 2, error: 'No.' }, { number: 7, error: 'No.' }, { number: 8, error: 'Never.' }];
  assert.deepEqual(sift(run, [undo, theirs, other], refusals), { refused: [run[1]], vain: [undo], because: 'No. Never.' });
  assert.deepEqual(sift(run, [undo], []), { refused: [], vain: [], because: '' });
});
