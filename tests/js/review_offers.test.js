import assert from 'node:assert/strict';
import { test } from 'node:test';

import { offerOf } from '../../imlcull_al/ui/assets/logic/review_offers.js';
import { KEEP } from '../../imlcull_al/ui/assets/logic/review_table.js';

const TABLE = {
  scores: [9000, 8000, 1000, 2000], labels: [0, 0, 0, 0], bursts: [0, 0, 1, 1], times: [0, 0], brackets: new Set(), unreadable: {},
  most: 1,
};

test('the best of every moment that keeps nothing', () => {
  assert.deepEqual(offerOf(TABLE, 5000, 'emptied'),
    { label: 'keep', rows: [3], words: '1 moment would keep nothing.', button: 'Keep its best' });
  assert.equal(offerOf(TABLE, 9500, 'emptied').button, 'Keep the best of each');
  assert.equal(offerOf(TABLE, 0, 'emptied'), null);
});

test('what is beyond a limit, said before it is culled', () => {
  const { label, rows, words, button } = offerOf(TABLE, 5000, 'beyond');
  assert.deepEqual([label, rows, button], ['cull', [1], 'Cull the other 1 frame']);
  assert.match(words, /^1 more frame would be culled\. /);
  assert.equal(offerOf({ ...TABLE, labels: [KEEP, KEEP, 0, 0] }, 5000, 'beyond'), null);
});

test('other filters offer nothing', () => { assert.equal(offerOf(TABLE, 5000, 'kept'), null); });
