import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answerOf, hintsOf, pressOf } from '../../imlcull_al/ui/assets/logic/label_keys.js';

test('every key and what it does', () => {
  const expected = {
    k: ['answer', 'keep'], p: ['answer', 'keep'], arrowright: ['answer', 'keep'],
    c: ['answer', 'cull'], x: ['answer', 'cull'], arrowleft: ['answer', 'cull'],
    u: ['undo'], s: ['skip'], z: ['zoom'], m: ['map'], ' ': ['next'], arrowdown: ['next'], arrowup: ['previous'],
    '?': ['help'], '/': ['search'],
  };
  for (const [key, press] of Object.entries(expected)) assert.deepEqual(pressOf(key), press, key);
  for (const key of ['a', 'enter', 'tab', '', 'constructor', 'valueOf']) assert.equal(pressOf(key), null, key);
});

test('a swipe answers from 70 pixels on', () => {
  assert.deepEqual([70, 69, 0, -69, -70].map(answerOf), ['keep', null, null, null, 'cull']);
});

test('the hint of an answer appears with the way to it', () => {
  assert.deepEqual([0, 35, 140, -35].map(hintsOf), [[0, 0], [0.5, 0], [1, 0], [0, 0.5]]);
});
