import assert from 'node:assert/strict';
import { test } from 'node:test';

import { meantBy } from '../../imlcull_al/ui/assets/logic/check_keys.js';

test('on a sheet keys mark and Enter answers', () => {
  assert.deepEqual([' ', 'k', 'c', 'enter', 'u', 'z', 'q', 'toString'].map((key) => meantBy(key, false)),
    ['toggle', 'toggle', 'unmark', 'answer', 'undo', 'large', null, null]);
});

test('a photo that is asked again takes K or C, and never Enter', () => {
  assert.deepEqual(['k', 'c', 'u', 'enter', ' '].map((key) => meantBy(key, true)), ['first', 'other', 'undo', null, null]);
});
