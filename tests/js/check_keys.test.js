import assert from 'node:assert/strict';
import { test } from 'node:test';

import { meantBy } from '../../imlcull_al/ui/assets/logic/check_keys.js';
import { makePreset } from '../../imlcull_al/ui/assets/logic/presets.js';

const USUAL = makePreset(() => null, () => {});

test('on a sheet keys mark and Enter answers', () => {
  assert.deepEqual([' ', 'k', 'c', 'enter', 'u', 'z', 'q', 'toString'].map((key) => meantBy(key, false, USUAL)),
    ['toggle', 'toggle', 'unmark', 'answer', 'undo', 'large', null, null]);
});

test('a photo that is asked again takes K or C, and never Enter', () => {
  assert.deepEqual(['k', 'c', 'u', 'enter', ' '].map((key) => meantBy(key, true, USUAL)), ['first', 'other', 'undo', null, null]);
});
