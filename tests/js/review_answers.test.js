import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { makeAnswers } from '../../imlcull_al/ui/assets/logic/review_answers.js';

const ROWS = new Map([['a', 0], ['b', 1], ['c', 2]]), KEEP = 1, CULL = 2;
let answers;

beforeEach(() => { answers = makeAnswers(); });

// What the page shows over these codes from the server.
function shown(...codes) {
  answers.layOver(codes, ROWS);
  return codes;
}

function undo(number) {
  const last = answers.takeBack();
  answers.undo(number, last);
  return last.keys;
}

test('answers under way lie over the table, later ones on top', () => {
  answers.give(1, ['a', 'b'], KEEP, [0, CULL]);
  answers.give(2, ['b', 'gone'], CULL, [KEEP, 0]);
  assert.deepEqual(shown(0, 0, CULL), [KEEP, CULL, CULL]);
});

test('once acknowledged, the table counts', () => {
  answers.give(1, ['a'], KEEP, [0]);
  answers.give(2, ['b'], KEEP, [0]);
  answers.took([1], [], []);
  assert.deepEqual(shown(CULL, 0, 0), [CULL, KEEP, 0]);
});

test('undo shows what was there before, answer by answer', () => {
  answers.give(1, ['a', 'b'], KEEP, [0, CULL]);
  answers.give(2, ['c'], CULL, [KEEP]);
  assert.deepEqual([undo(3), shown(0, CULL, KEEP)], [['c'], [KEEP, KEEP, KEEP]]);
  assert.deepEqual([undo(4), shown(0, CULL, KEEP)], [['a', 'b'], [0, CULL, KEEP]]);
  assert.deepEqual([undo(5), shown(0, CULL, KEEP)], [[], [0, CULL, KEEP]]);
});

test('a refused answer is neither shown nor to be undone', () => {
  answers.give(1, ['a'], KEEP, [0]);
  answers.give(2, ['b'], KEEP, [0]);
  answers.took([1, 2], [2], []);
  assert.deepEqual([shown(0, 0, 0), undo(3), undo(4)], [[0, 0, 0], ['a'], []]);
});

test('what an undo left is of somebody else, and nothing of ours to undo', () => {
  answers.give(1, ['a', 'b'], KEEP, [0, CULL]);
  answers.took([1], [], []);
  undo(2);
  assert.deepEqual(answers.took([2], [], [{ number: 2, keys: ['b'] }]), []);
  assert.deepEqual(answers.takeBack(), { keys: [], before: [] });
});

test('it tells which photo an undo of an earlier page was for', () => {
  undo(1);
  assert.deepEqual(answers.took([1], [], [{ number: 1, keys: ['c'] }]), ['c']);
  undo(2);
  assert.deepEqual(answers.took([2], [], [{ number: 2, keys: ['a', 'c'] }]), []); // a range has no one place
  assert.deepEqual(answers.took([9], [], [{ number: 9, keys: ['c'] }]), []); // of another screen
});

test('nothing is left to undo among other photos', () => {
  answers.give(1, ['a'], KEEP, [0]);
  answers.forget();
  assert.deepEqual(undo(2), []);
});

test('an answer in several parts is undone as one', () => {
  answers = makeAnswers();
  answers.give(1, ['a'], 1, [0]);
  answers.give(2, ['b'], 2, [0]);
  answers.give(3, ['c'], 3, [0], true);
  assert.deepEqual([1, 2, 3].map(() => { const { number, isMore } = answers.takeBack(); return [number, isMore]; }),
    [[3, true], [2, false], [1, false]]);
  assert.deepEqual(answers.takeBack(), { keys: [], before: [] });
});
