import assert from 'node:assert/strict';
import { test } from 'node:test';

import { clampedStart, comparedIn } from '../../imlcull_al/ui/assets/logic/label_compare.js';

function burst(keys, culled = '') { return { frames: [...keys].map((key) => ({ key, label: culled.includes(key) ? 'cull' : null })) }; }

function compared(keys, key, culled) {
  const { list, start } = comparedIn(burst(keys, culled), { key });
  return list.map((frame) => frame.key).join('').slice(start, start + 4);
}

test('up to four frames around the one on screen, without the culled ones', () => {
  assert.equal(compared('ab', 'a'), 'ab');
  assert.equal(compared('abcdefg', 'a'), 'abcd');
  assert.equal(compared('abcdefg', 'd'), 'cdef');
  assert.equal(compared('abcdefg', 'g'), 'defg');
  assert.equal(compared('abcdefg', 'd', 'bce'), 'adfg');
  assert.equal(compared('abc', 'a', 'bc'), 'abc'); // else there is nothing to compare with
  assert.equal(clampedStart([1, 2, 3, 4, 5], 9), 1);
});
