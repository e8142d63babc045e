import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { isSecondOf, listen, makeHands } from '../../imlcull_al/ui/assets/logic/hands.js';

const ONE = { detail: 1, clientX: 100, clientY: 100, timeStamp: 1000 };
let hands;

beforeEach(() => { hands = makeHands(); });

function down(code, timeStamp, repeat = false) {
  hands.keydown({ code, timeStamp, repeat });
  return hands.isHeld();
}

test('the second of two clicks', () => {
  const second = (click, before = ONE) => isSecondOf({ ...ONE, ...click }, before);
  assert.equal(isSecondOf(ONE, null), false);
  assert.equal(second({ detail: 2, timeStamp: 1400 }), true);
  assert.equal(second({ timeStamp: 1349 }), true); // a finger's, where taps are not counted
  assert.equal(second({ timeStamp: 1350 }), false);
  assert.equal(second({ timeStamp: 1300, clientX: 118, clientY: 123 }), true);
  assert.equal(second({ timeStamp: 1300, clientX: 118, clientY: 124 }), false); // 30 pixels
  assert.equal(second({ detail: 0, timeStamp: 1100 }), false); // by a key
});

test('a click by a key parts no double click', () => {
  hands.click(ONE);
  hands.click({ ...ONE, detail: 0, timeStamp: 1100 });
  assert.equal(hands.isSecond(), false);
  hands.click({ ...ONE, timeStamp: 1200 });
  assert.equal(hands.isSecond(), true);
});

test('a key is held while it repeats, marked or not, until it goes up', () => {
  assert.deepEqual([down('KeyK', 0), down('KeyK', 500), down('KeyK', 1499), down('KeyC', 1500)], [false, true, true, false]);
  hands.keyup({ code: 'KeyK' });
  assert.deepEqual([down('KeyK', 1600), down('KeyP', 1700, true)], [false, true]);
});

test('a key whose keyup was swallowed is free again after a second', () => {
  assert.deepEqual([down('ArrowRight', 0), down('ArrowRight', 1000)], [false, false]);
});

test('keys without a code are never held', () => {
  assert.deepEqual([down('', 0), down('', 1)], [false, false]);
});

test('it hears keys and clicks before anybody else', () => {
  const heard = [];
  listen({ addEventListener: (...listener) => heard.push(listener) }, hands);
  assert.deepEqual(heard, [['keydown', hands.keydown, true], ['keyup', hands.keyup, true], ['click', hands.click, true]]);
});
