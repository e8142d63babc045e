import assert from 'node:assert/strict';
import { test } from 'node:test';

import { stepOf } from '../../imlcull_al/ui/assets/logic/review_keys.js';

const MOVES = ['arrowleft', 'arrowright', 'arrowup', 'arrowdown', 'pageup', 'pagedown', 'home', 'end'];

function steps(focus, count, columns, rows) {
  return MOVES.map((key) => stepOf(key, focus, count, (down) => focus + down * columns, rows));
}

test('steps in a grid of four columns with three rows in sight', () => {
  assert.deepEqual(steps(17, 50, 4, 3), [16, 18, 13, 21, 5, 29, 0, 49]);
});

test('in the large view every step is one photo', () => {
  assert.deepEqual(steps(17, 50, 1, 1), [16, 18, 16, 18, 16, 18, 0, 49]);
});

test('other keys are no steps', () => {
  assert.deepEqual(['k', 'enter', 'constructor'].map((key) => stepOf(key, 0, 9, () => 3, 3)), [null, null, null]);
});
