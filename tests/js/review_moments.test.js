import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  areManyDays, bestOf, beyond, emptied, headOf, plural, sectionsOf, weigh,
} from '../../imlcull_al/ui/assets/logic/review_moments.js';
import { CULL, KEEP } from '../../imlcull_al/ui/assets/logic/review_table.js';

// A burst of three that keeps two, one of two that keeps none, a bracket of two that keeps none, two single photos, and an
// unreadable one.
const TABLE = {
  scores: [9000, 8000, 1000, 3000, 4000, 100, 200, 7000, 300, -1],
  labels: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  bursts: [0, 0, 0, 1, 1, 2, 2, 3, 4, -1],
  times: [32580, 32700, 32800, 32900, null],
  brackets: new Set([2]), unreadable: { 9: 'no image' }, damaged: new Set(),
};
const labeled = (labels) => ({ ...TABLE, labels: TABLE.labels.map((none, row) => labels[row] ?? none) });

test('a moment keeps nothing if the scores cull all of it; a bracket is none, and culls of a person are decided', () => {
  assert.deepEqual([...emptied(TABLE, 5000)], [1]);
  assert.deepEqual([...emptied(TABLE, 4000)], []);
  assert.deepEqual([...emptied(TABLE, 9500)], [0, 1]);
  assert.deepEqual([...emptied(labeled({ 3: CULL }), 5000)], [1]);
  assert.deepEqual([...emptied(labeled({ 3: CULL, 4: CULL }), 5000)], []);
});

test('its best frame is the best that nobody answered', () => {
  assert.deepEqual(bestOf(TABLE, new Set([1, 0])), [0, 4]);
  assert.deepEqual(bestOf(labeled({ 4: CULL }), new Set([1])), [3]);
});

test('beyond a limit are kept frames with lower scores; answers stay, and come first', () => {
  assert.deepEqual(beyond(TABLE, 0, 1), [1, 2, 3]);
  assert.deepEqual(beyond(TABLE, 0, 2), [2]);
  assert.deepEqual(beyond(TABLE, 5000, 1), [1]);
  assert.deepEqual(beyond(labeled({ 2: KEEP }), 0, 1), [0, 1, 3]);
  assert.deepEqual(beyond(labeled({ 0: KEEP, 1: KEEP, 2: KEEP }), 0, 1), [3]);
  assert.deepEqual(beyond(labeled({ 0: CULL }), 0, 1), [2, 3]);
});

test('no limit empties a moment or takes an answer, at any threshold', () => {
  for (const table of [TABLE, labeled({ 1: CULL, 4: KEEP }), labeled({ 0: CULL, 2: KEEP })]) {
    for (let threshold = 0; threshold <= 10000; threshold += 500) {
      const gone = new Set(beyond(table, threshold, 1)), before = weigh(table, threshold);
      const after = weigh({ ...table, labels: table.labels.map((code, row) => (gone.has(row) ? CULL : code)) }, threshold);
      gone.forEach((row) => assert.equal(table.labels[row], 0));
      before.kept.forEach((kept, burst) => assert.ok(!kept || after.kept[burst] > 0, `${burst} at ${threshold}`));
    }
  }
});

test('the list in sections: single photos in a row share one', () => {
  const shown = [0, 1, 4, 7, 8, 9], sections = sectionsOf(TABLE, weigh(TABLE, 5000), shown);
  assert.deepEqual(sections.map(({ from, count, first, last }) => [from, count, first, last]),
    [[0, 2, 0, 0], [2, 1, 1, 1], [3, 2, 3, 4], [5, 1, -1, -1]]);
});

test('headers count the whole moment, whatever is shown of it', () => {
  const shown = [0, 1, 4, 5, 7, 8, 9], weights = weigh(TABLE, 5000);
  const heads = (table) => sectionsOf(table, weights, shown).map((section) => headOf(table, weights, shown, section, 5000));
  assert.deepEqual(heads(TABLE), [
    '09:03 · 3 frames · keeps 2', '09:05 · 2 frames · keeps 0', '09:06 · 2 frames, exposure bracket · keeps 0',
    '09:08 · 2 single photos · keeps 1', '1 photo without a moment · keeps 1',
  ]);
  assert.equal(heads({ ...TABLE, isManyDays: true })[0], '1 Jan 09:03 · 3 frames · keeps 2');
  assert.equal(heads({ ...TABLE, times: [null, 0, 0, 0, 60] })[0], '3 frames · keeps 2');
  assert.equal(heads({ ...TABLE, times: [null, 0, 0, 0, 60] })[3], '00:00–00:01 · 2 single photos · keeps 1');
});

test('days and plurals', () => {
  assert.deepEqual([[], [null], [0, 86399], [0, 86400]].map(areManyDays), [false, false, false, true]);
  assert.deepEqual([plural(1, 'frame'), plural(1200, 'frame')], ['1 frame', '1,200 frames']);
});
