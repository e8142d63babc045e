import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PRESETS, makePreset } from '../../imlcull_al/ui/assets/logic/presets.js';

function chosen(name) { return makePreset(() => name, () => {}); }

test('no key has two meanings in a preset', () => {
  for (const { keep, cull, compare } of Object.values(PRESETS)) {
    const keys = [...keep, ...cull, ...compare];
    assert.equal(new Set(keys).size, keys.length);
  }
});

test('C culls here, and compares in Lightroom', () => {
  assert.deepEqual(['k', 'p', 'c', 'x', 'u', 'constructor'].map(chosen('imlcull').answerOf), ['keep', 'keep', 'cull', 'cull', null, null]);
  const lightroom = chosen('lightroom');
  assert.deepEqual([lightroom.answerOf('c'), lightroom.isCompare('c'), lightroom.keysOf('keep')[0], lightroom.keysOf('cull')[0]], [null, true, 'P', 'X']);
  assert.equal(chosen('photomechanic').answerOf('t'), 'keep');
});

test('a preset is remembered, and followed while its place is there', () => {
  const storage = new Map(), seen = [];
  const make = () => makePreset((name) => storage.get(name) ?? null, (name, value) => storage.set(name, value));
  const preset = make();
  preset.follow(() => true, () => seen.push(preset.name()));
  preset.follow(() => false, () => seen.push('gone'));
  preset.choose('lightroom');
  assert.deepEqual([seen, make().name()], [['imlcull', 'gone', 'lightroom'], 'lightroom']);
  assert.equal(chosen('emacs').name(), 'imlcull');
});
