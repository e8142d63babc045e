import assert from 'node:assert/strict';
import { test } from 'node:test';

import { filterOf } from '../../imlcull_al/ui/assets/logic/review_filters.js';
import {
  BINS, CULL, KEEP, arrangeRows, countSides, decide, hasScores, histogram, isPast, isReadable, placeInBurst,
} from '../../imlcull_al/ui/assets/logic/review_table.js';

// Rows 0 to 5: scored high, scored low, low but labeled keep, high but labeled cull, unreadable, neither scored nor labeled.
const TABLE = {
  scores: [9000, 2000, 2000, 9000, -1, -1],
  labels: [0, 0, KEEP, CULL, 0, 0],
  unreadable: { 4: 'no image' },
  bursts: [1, 1, 0, 0, -1, 2],
  ranks: [3, 2, 1, 0, -1, 4],
  brackets: new Set([0]),
};

function arranged(sort, filter = 'all', threshold = 5000) { return arrangeRows(TABLE, sort, filterOf(filter)(TABLE, threshold)); }

test('a label overrides the score, unreadable photos are kept', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5].map((row) => decide(TABLE, row, 5000)), [KEEP, CULL, KEEP, CULL, KEEP, 0]);
  assert.deepEqual([2000, 2001].map((threshold) => decide(TABLE, 1, threshold)), [KEEP, CULL]);
  assert.equal(decide({ ...TABLE, labels: [0, 0, 0, 0, CULL, 0] }, 4, 5000), CULL);
});

test('both sides and the others are counted', () => {
  assert.deepEqual(countSides(TABLE, 5000), { kept: 3, culled: 2, labeled: 2, unreadable: 1, open: 1 });
  assert.deepEqual(countSides(TABLE, 2000), { kept: 4, culled: 1, labeled: 2, unreadable: 1, open: 1 });
});

test('by score, ties in name order and photos without a score last', () => {
  assert.deepEqual(arranged('score'), [0, 3, 1, 2, 4, 5]);
  assert.deepEqual(arranged('worst'), [1, 2, 0, 3, 4, 5]);
});

test('by time bursts lie together; in a burst the best comes first, but a bracket keeps its order', () => {
  assert.deepEqual(arranged('time'), [3, 2, 1, 0, 5, 4]);
  assert.deepEqual(arranged('burst'), [3, 2, 0, 1, 5, 4]);
  assert.deepEqual(arrangeRows({ ...TABLE, scores: [1000, 2000, 9000, 8000, -1, -1], brackets: new Set() }, 'burst', () => true),
    [2, 3, 1, 0, 5, 4]);
  assert.deepEqual(arrangeRows({ ...TABLE, copies: [1, -1, 0, 0, -1, 1] }, 'copies', (row) => row !== 1), [2, 3, 0, 5, 4]);
});

test('the place of a photo in its burst', () => {
  const table = { bursts: [0, 0, 0, 1, -1, -1, 2, 2] }, shown = [0, 1, 2, 3, 4, 5, 6, 7];
  assert.deepEqual(shown.map((position) => placeInBurst(table, shown, position)),
    [' begins', ' goes-on', ' ends', '', '', '', ' begins', ' ends']);
  assert.equal(placeInBurst(table, [1, 3], 0), '');
});

test('the histogram counts scores by label, and the best score in the last bin', () => {
  const counts = histogram({ scores: [0, 199, 200, 10000, 9999, -1], labels: [0, KEEP, CULL, 0, KEEP, 0] });
  assert.deepEqual(counts.map((each) => each.length), [BINS, BINS, BINS]);
  const filled = counts.map((each) => [...each.entries()].filter(([, count]) => count));
  assert.deepEqual(filled, [[[0, 1], [49, 1]], [[0, 1], [49, 1]], [[1, 1]]]);
});

test('which photos lie beyond the threshold', () => {
  assert.deepEqual([4999, 5000, -1].map((score) => isPast(score, 'score', 5000)), [true, false, true]);
  assert.deepEqual([4999, 5000, -1].map((score) => isPast(score, 'worst', 5000)), [false, true, true]);
});

test('scores and readable photos', () => {
  assert.deepEqual([hasScores(TABLE), hasScores({ scores: [-1, 0] }), hasScores({ scores: [-1] })], [true, true, false]);
  assert.deepEqual([isReadable(TABLE, 3), isReadable(TABLE, 4)], [true, false]);
});
