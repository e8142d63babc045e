import assert from 'node:assert/strict';
import { test } from 'node:test';

import { countEach, filterOf, isByThreshold, usualOrder } from '../../imlcull_al/ui/assets/logic/review_filters.js';
import { CULL, KEEP } from '../../imlcull_al/ui/assets/logic/review_table.js';

// Rows 0 to 5: scored high, scored low, low but labeled keep, high but labeled cull, unreadable, neither scored nor labeled.
const TABLE = {
  scores: [9000, 2000, 2000, 9000, -1, -1],
  labels: [0, 0, KEEP, CULL, 0, 0],
  unreadable: { 4: 'no image' }, damaged: new Set([1]), copies: [0, -1, -1, 0, -1, -1],
  bursts: [0, 1, 0, 1, -1, 2], times: [0, 0, 0], brackets: new Set(), near: 1500, most: 1,
};
const NAMES = ['all', 'kept', 'culled', 'close', 'emptied', 'crowded', 'copies', 'damaged', 'unreadable', 'unlabeled', 'labeled'];

function shown(name, threshold = 5000, table = TABLE) { return [...table.labels.keys()].filter(filterOf(name)(table, threshold)); }

test('what each filter shows', () => {
  assert.deepEqual(Object.fromEntries(NAMES.map((name) => [name, shown(name)])), {
    all: [0, 1, 2, 3, 4, 5], kept: [0, 2, 4], culled: [1, 3], close: [], emptied: [1, 3], crowded: [0, 2], copies: [0, 3],
    damaged: [1], unreadable: [4], unlabeled: [0, 1, 4, 5], labeled: [2, 3],
  });
});

test('close calls are those without an answer, from as far below the threshold to less above it', () => {
  assert.deepEqual([3500, 3501, 500, 501].map((threshold) => shown('close', threshold)), [[1], [], [], [1]]);
  assert.deepEqual([7499, 7500, 7501, 10000].map((threshold) => shown('close', threshold)), [[], [], [0], [0]]);
  assert.deepEqual(shown('close', 0), []);
});

test('beyond a limit shows what would go and what would stay', () => {
  assert.deepEqual(shown('beyond'), [0, 2]);
  assert.deepEqual(shown('beyond', 5000, { ...TABLE, most: 2 }), []);
});

test('moments are counted as moments, all else as photos, at every threshold', () => {
  assert.deepEqual(countEach(TABLE, 5000, NAMES), [6, 3, 2, 0, 1, 1, 2, 1, 1, 4, 2]);
  assert.deepEqual(countEach(TABLE, 2000, ['kept', 'emptied', 'crowded']), [4, 0, 1]);
});

test('some filters follow the threshold, and some have an order', () => {
  assert.deepEqual(['kept', 'labeled'].map(isByThreshold), [true, false]);
  assert.deepEqual(['emptied', 'copies', 'all'].map(usualOrder), ['burst', 'copies', undefined]);
});
