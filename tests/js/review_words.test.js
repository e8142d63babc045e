import assert from 'node:assert/strict';
import { test } from 'node:test';

import { factsOf, nothingIn, othersOf, partsOf, percent, selectedOf } from '../../imlcull_al/ui/assets/logic/review_words.js';

test('a score is rounded down, so that it never seems to reach the threshold', () => {
  assert.deepEqual([0, 2899, 2900, 4999, 9999, 10000].map(percent), ['0%', '28%', '29%', '49%', '99%', '100%']);
});

test('a name that is cut keeps its end', () => {
  assert.deepEqual(['2024/DSC_0123.JPG', 'a.jpg'].map(partsOf), [['2024/DSC_', '0123.JPG'], ['', 'a.jpg']]);
});

test('facts of a photo', () => {
  const table = { scores: [8000, 2000, -1, -1], labels: [0, 1, 0, 0], unreadable: { 2: 'no image' } };
  assert.deepEqual([0, 1, 2, 3].map((row) => factsOf(table, row, 5000)), [
    ['kept', 'score 80%'], ['your answer: keep', 'score 20%'], ['kept', "can't be read: no image"], [],
  ]);
});

test('the counts beside both sides, without zeros', () => {
  assert.equal(othersOf({ labeled: 1200, unreadable: 0, open: 3 }), ', 1,200 decided by you, 3 without a score');
  assert.equal(othersOf({ labeled: 0, unreadable: 1, open: 0 }), ', 1 unreadable');
});

test('an empty list and a selection', () => {
  assert.deepEqual(['all', 'kept', 'emptied'].map(nothingIn), ['No photos here.', 'No photos are kept.', 'Every moment keeps a photo.']);
  assert.equal(selectedOf(1200, false), '1,200 selected');
  assert.equal(selectedOf(1, true), '1 selected; tap the last one of the range');
  assert.equal(selectedOf(2, true), '2 selected');
});
