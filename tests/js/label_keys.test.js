import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answerOf, hintsOf, keysFor, pressOf } from '../../imlcull_al/ui/assets/logic/label_keys.js';
import { makePreset } from '../../imlcull_al/ui/assets/logic/presets.js';
import { makeTyping } from '../../imlcull_al/ui/assets/logic/label_typing.js';

const USUAL = makePreset(() => null, () => {});

test('every key and what it does', () => {
  const expected = {
    k: ['answer', 'keep'], p: ['answer', 'keep'], c: ['answer', 'cull'], x: ['answer', 'cull'], enter: ['burst'], b: ['compare'],
    arrowleft: ['left'], arrowright: ['right'],
    u: ['undo'], s: ['skip'], z: ['zoom'], m: ['map'], ' ': ['next'], arrowdown: ['next'], arrowup: ['previous'],
    '?': ['help'], '/': ['search'],
  };
  for (const [key, press] of Object.entries(expected)) assert.deepEqual(pressOf(key, USUAL), press, key);
  for (const key of ['a', 'tab', '', 'constructor', 'valueOf']) assert.equal(pressOf(key, USUAL), null, key);
});

function struck(task, ...keys) {
  const pressed = keysFor(task, makeTyping(task), USUAL);
  return keys.map((key) => pressed(typeof key === 'string' ? { key, shiftKey: false } : key));
}

test('arrows never answer, and numbers mean nothing in cull', () => {
  assert.deepEqual(struck({ isCull: true, classes: ['keep', 'cull'], isExclusive: true }, 'K', 'x', 'ArrowRight', 'U', '1', 'Enter'),
    [['answer', 'keep'], ['answer', 'cull'], ['right'], ['undo'], null, ['burst']]);
});

test('few classes have a number each, and no key of cull answers', () => {
  const task = { classes: ['shirt', 'dress'], isExclusive: true };
  assert.deepEqual(struck(task, '1', '2', '3', '0', 'u', 'S', ' ', 'ArrowDown', '?', '/', 'M'),
    [['answer', 'shirt'], ['answer', 'dress'], null, null, ['undo'], ['skip'], ['next'], ['next'], ['help'], ['search'], ['map']]);
  assert.deepEqual(struck(task, 'k', 'c', 'p', 'x', 'Enter'), Array(5).fill(null));
  assert.deepEqual(struck(task, 'ArrowLeft', 'ArrowRight'), [['left'], ['right']]);
});

test('numbers toggle tags, and Enter saves them', () => {
  assert.deepEqual(struck({ classes: ['red', 'worn'], isExclusive: false }, '2', '3', 'Enter'), [['toggle', 1], null, ['answer']]);
});

test('of many classes letters are typed, and commands take Shift', () => {
  const task = { classes: ['shoe', 'sock', 'u boot', ...'abcdefg'], isExclusive: true }, shift = (key) => ({ key, shiftKey: true });
  assert.deepEqual(struck(task, 's', 'u', 'Enter', '1'), Array(4).fill(['typed']));
  assert.deepEqual(struck(task, 's', 'h', 'Enter', 'Enter'), [['typed'], ['typed'], ['answer', 'shoe'], null]);
  assert.deepEqual(struck(task, shift('U'), shift('S'), shift('Z'), shift('M'), 'ArrowUp', shift('?'), '/'),
    [['undo'], ['skip'], ['zoom'], ['map'], ['previous'], ['help'], ['search']]);
  assert.deepEqual(struck(task, ' ', 'u', ' ', 'b', 'Enter'), [['next'], ['typed'], ['typed'], ['typed'], ['answer', 'u boot']]);
});

test('of many tags Enter toggles what was typed, else it saves', () => {
  assert.deepEqual(struck({ classes: [...'abcdefghij'], isExclusive: false }, 'd', 'Enter', 'Enter'), [['typed'], ['toggle', 3], ['answer']]);
});

test('a swipe answers from 70 pixels on', () => {
  assert.deepEqual([70, 69, 0, -69, -70].map(answerOf), ['keep', null, null, null, 'cull']);
});

test('the hint of an answer appears with the way to it', () => {
  assert.deepEqual([0, 35, 140, -35].map(hintsOf), [[0, 0], [0.5, 0], [1, 0], [0, 0.5]]);
});
