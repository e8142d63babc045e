import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isForPhoto, isSelectAll, letterOf } from '../../imlcull_al/ui/assets/logic/keys.js';

function key(name, more = {}) {
  return { key: name, ctrlKey: false, metaKey: false, altKey: false, getModifierState: () => false, ...more };
}

test('on the photo all keys are for it, on a control those it does not use, in a field none', () => {
  const keys = ['k', 'K', 'ArrowRight', ' ', 'Enter', 'Home', 'PageDown', 'Tab', '?'];
  const found = (hand) => keys.filter((name) => isForPhoto(key(name), hand));
  assert.deepEqual(found('photo'), keys);
  assert.deepEqual(found('control'), ['k', 'K', '?']);
  assert.deepEqual(found('field'), []);
});

for (const fields of [
  { isComposing: true }, { keyCode: 229 }, { altKey: true }, { ctrlKey: true }, { metaKey: true }, { defaultPrevented: true },
  { getModifierState: (name) => name === 'AltGraph' },
]) {
  test(`compositions, shortcuts and handled keys are not: ${Object.keys(fields)}`, () => {
    assert.equal(isForPhoto(key('k', fields), 'photo'), false);
  });
}

test('Control or Command with A selects all', () => {
  const found = [{ ctrlKey: true }, { metaKey: true }, {}, { ctrlKey: true, altKey: true }].map((more) => isSelectAll(key('A', more)));
  assert.deepEqual(found, [true, true, false, false]);
  assert.equal(isSelectAll(key('b', { ctrlKey: true })), false);
});

test('keys follow the letter, and the place where the layout has no Latin letters', () => {
  const found = [['K', 'KeyK'], ['k', 'KeyJ'], ['л', 'KeyK'], ['Λ', 'KeyK'], ['ö', 'Semicolon'], ['ж', 'Semicolon'], ['?', 'KeyK'], ['Enter', 'Enter']];
  assert.deepEqual(found.map(([name, code]) => letterOf({ key: name, code })), ['k', 'k', 'k', 'k', 'ö', 'ж', '?', 'enter']);
});
