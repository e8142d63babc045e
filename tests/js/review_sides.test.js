import assert from 'node:assert/strict';
import { test } from 'node:test';

import { makeSides } from '../../imlcull_al/ui/assets/logic/review_sides.js';
import { CULL, KEEP } from '../../imlcull_al/ui/assets/logic/review_table.js';

const SIDES = makeSides();
// Scored high, scored low, low but labeled keep, unreadable, nothing known.
const TABLE = { scores: [9000, 2000, 2000, -1, -1], labels: [0, 0, KEEP, 0, 0], unreadable: { 3: 'no image' } };

test('a photo looks like its side, and an answer has a mark', () => {
  assert.deepEqual([0, 1, 2, 3, 4].map((row) => SIDES.lookOf(TABLE, row, 5000)), [
    { look: 'kept', mark: '', colour: '' }, { look: 'culled', mark: '', colour: '' },
    { look: 'kept labeled overruled', mark: '✓', colour: '' }, { look: 'kept', mark: '', colour: '' },
    { look: 'open', mark: '', colour: '' },
  ]);
  assert.equal(SIDES.lookOf({ ...TABLE, labels: [CULL] }, 0, 5000).mark, '✕');
  assert.deepEqual([0, 1, 4].map((row) => SIDES.factsClass(TABLE, row, 5000)), ['keep', 'cull', '']);
});

test('an answer is the same for all', () => {
  assert.deepEqual(SIDES.relabeled([0, KEEP, CULL], 'cull'), [CULL, CULL, CULL]);
  assert.deepEqual([KEEP, CULL].map(SIDES.textOf), ['keep', 'cull']);
  assert.deepEqual([SIDES.has(KEEP, 'keep'), SIDES.has(0, 'keep')], [true, false]);
  assert.equal(SIDES.read(TABLE), TABLE);
});
