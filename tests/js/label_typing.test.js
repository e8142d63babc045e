import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { makeTyping } from '../../imlcull_al/ui/assets/logic/label_typing.js';

const TASK = { classes: ['shirt', 'shirt dress', 'Shoe', 'Écharpe', 'hat'], isExclusive: true };
let typing;

beforeEach(() => { typing = makeTyping(TASK); });

function type(...keys) { return keys.map((key) => typing.strike(key)).at(-1); }

test('letters narrow the classes down and answer nothing', () => {
  assert.deepEqual(typing.left(), [0, 1, 2, 3, 4]);
  assert.deepEqual(type('s', 'h'), ['typed']);
  assert.deepEqual([typing.left(), typing.words()], [[0, 1, 2], 'Typed: sh · 3 left.']);
  assert.deepEqual(type('o'), ['typed']);
  assert.deepEqual([typing.left(), typing.words()], [[2], 'Typed: sho · Enter: Shoe.']);
});

test('Enter chooses the only one left, and then all are back', () => {
  assert.deepEqual(type('h', 'Enter'), ['answer', 'hat']);
  assert.deepEqual([typing.isEmpty(), typing.left(), typing.words()], [true, [0, 1, 2, 3, 4], '']);
});

test('a whole name is chosen even if a longer one begins with it', () => {
  assert.deepEqual(type(...'shirt', 'Enter'), ['answer', 'shirt']);
  assert.deepEqual(type(...'shirt d', 'Enter'), ['answer', 'shirt dress']);
});

test('with several left Enter chooses none', () => {
  assert.deepEqual(type('s', 'Enter'), ['typed']);
  assert.equal(typing.words(), 'Typed: s · 3 left. Several are left. Type more, or the whole name.');
});

test('case and accents do not matter', () => {
  assert.deepEqual(type('E', 'C', 'Enter'), ['answer', 'Écharpe']);
  assert.deepEqual(type('é', 'Enter'), ['answer', 'Écharpe']);
});

test('a letter that leads nowhere is not taken', () => {
  assert.deepEqual(type('h', 'x'), ['typed']);
  assert.deepEqual([typing.left(), typing.words()], [[4], 'Typed: h · Enter: hat. Nothing begins with “hx”.']);
});

test('Backspace takes one letter back, Escape all', () => {
  type('s', 'h', 'o', 'Backspace');
  assert.deepEqual(typing.left(), [0, 1, 2]);
  type('Escape');
  assert.equal(typing.isEmpty(), true);
  typing.strike('s');
  typing.clear();
  assert.deepEqual([typing.isEmpty(), typing.words()], [true, '']);
});

test('other keys, and those without a meaning before the first letter, are left to others', () => {
  assert.deepEqual(['Enter', 'Escape', 'Backspace', ' ', 'Tab', 'F5', 'ArrowUp'].map((key) => typing.strike(key)), Array(7).fill(null));
});

test('of tags the chosen one is toggled', () => {
  typing = makeTyping({ ...TASK, isExclusive: false });
  assert.deepEqual(type('h', 'Enter'), ['toggle', 4]);
});
