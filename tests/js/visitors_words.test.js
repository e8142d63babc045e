import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  limitOf, photosFirst, sizeOf, spokenHoldings, spokenProgress, spokenSums, tooLarge,
} from '../../imlcull_al/ui/assets/logic/visitors_words.js';

test('limits and sizes', () => {
  assert.deepEqual([2 ** 30, 2 * 2 ** 30, 200 * 2 ** 20, 1.5 * 2 ** 30].map(limitOf), ['1 GB', '2 GB', '200 MB', '1536 MB']);
  assert.deepEqual([0, 1, 999_999, 1e6, 12_345_678].map(sizeOf), ['0 kB', '1 kB', '1000 kB', '1.0 MB', '12.3 MB']);
  assert.equal(spokenHoldings({ files: 1, bytes: 1000 }), '1 file, 1 kB');
  assert.equal(spokenHoldings({ files: 1234, bytes: 2e6 }), '1,234 files, 2.0 MB');
});

test('photos come before RAW files, otherwise in their order', () => {
  const files = ['b.NEF', 'b.JPG', 'a.xmp', 'a.zip'].map((name) => ({ name }));
  assert.deepEqual(photosFirst(files, ['.jpg', '.zip']).map(({ name }) => name), ['b.JPG', 'a.zip', 'b.NEF', 'a.xmp']);
  assert.equal(files[0].name, 'b.NEF');
});

test('a zip may be larger than a photo', () => {
  const limits = { photo: String(100 * 2 ** 20), total: String(2 ** 30) };
  const said = (name, size) => tooLarge({ name, file: { size } }, limits);
  assert.equal(said('a.jpg', 100 * 2 ** 20), '');
  assert.equal(said('a.jpg', 100 * 2 ** 20 + 1), 'It is larger than 100 MB; leave it out.');
  assert.equal(said('a.ZIP', 2 ** 30), '');
  assert.equal(said('a.zip', 2 ** 30 + 1), 'It is larger than 1 GB; leave it out.');
});

test('the time left is told once it can be known', () => {
  assert.equal(spokenProgress(1, 3, 0.02, 10), 'Uploading 1 of 3');
  assert.equal(spokenProgress(2, 3, 0.5, 65), 'Uploading 2 of 3 · about 1:05 left');
  assert.equal(spokenProgress(3, 3, 0.995, 100), 'Uploading 3 of 3');
  assert.equal(spokenProgress(3, 3, 1, 100), 'Uploading 3 of 3');
});

test('what came of the files', () => {
  assert.equal(spokenSums({ new: 1, known: 0, passed_over: 0 }), '1 new photo.');
  assert.equal(spokenSums({ new: 1200, known: 1, passed_over: 1 }),
    '1,200 new photos. 1 was already here under the same name. 1 other file was skipped.');
  assert.equal(spokenSums({ new: 0, known: 2, passed_over: 3 }),
    '0 new photos. 2 were already here under the same name. 3 other files were skipped.');
});
