import assert from 'node:assert/strict';
import { test } from 'node:test';

import { countFor, layoutOf, previewFor } from '../../imlcull_al/ui/assets/logic/check_layout.js';

test('a sheet has 12 to 30 photos, more on a larger screen', () => {
  assert.deepEqual([[1390, 620], [360, 500], [2500, 1200], [0, 0]].map(([wide, high]) => countFor(wide, high)), [18, 15, 30, 12]);
});

test('the columns make the photos as large as possible, upright ones too', () => {
  assert.deepEqual(layoutOf(1390, 620, 18), { columns: 6, rows: 3, side: 226 });
  assert.deepEqual(layoutOf(326, 520, 12), { columns: 3, rows: 4, side: 125 });
  assert.deepEqual(layoutOf(1000, 600, 1), { columns: 1, rows: 1, side: 800 });
  assert.deepEqual(layoutOf(1000, 600, 0), { columns: 1, rows: 1, side: 800 });
});

test('small photos get small previews', () => {
  assert.deepEqual([[226, 1], [226, 2], [360, 1]].map(([side, ratio]) => previewFor(side, ratio)), [320, 1600, 1600]);
});
