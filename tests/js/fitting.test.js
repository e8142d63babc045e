import assert from 'node:assert/strict';
import { test } from 'node:test';

import { clamped, enlarged, fitted, sizeOf } from '../../imlcull_al/ui/assets/logic/fitting.js';

const START = [0xff, 0xd8], APP = [0xff, 0xe1, 0, 4, 9, 9], TABLE = [0xff, 0xc4, 0, 3, 7];
const FRAME = [0xff, 0xc2, 0, 11, 8, 2, 88, 3, 32, 1, 0]; // 600 high, 800 wide

test('the size of a JPEG, after other segments', () => {
  assert.deepEqual(sizeOf([...START, ...FRAME]), [800, 600]);
  assert.deepEqual(sizeOf([...START, ...APP, ...TABLE, ...FRAME]), [800, 600]);
});

test('no size of what breaks off or is no JPEG', () => {
  assert.equal(sizeOf([...START, ...APP, ...FRAME.slice(0, 7)]), null);
  assert.equal(sizeOf([...START, 0, ...FRAME]), null);
  assert.equal(sizeOf([0x89, 0x50, 0x4e, 0x47]), null);
  assert.equal(sizeOf([]), null);
});

test('a photo fills its room in one direction and is centered in the other', () => {
  assert.deepEqual(fitted([600, 400], [300, 300]), [0, 50, 300, 200]);
  assert.deepEqual(fitted([400, 600], [300, 300]), [50, 0, 200, 300]);
  assert.deepEqual(fitted([60, 40], [300, 300]), [0, 50, 300, 200]); // enlarged
  assert.deepEqual(fitted([10000, 1], [300, 300]), [0, 150, 300, 1]);
});

test('an enlarged photo leaves no gap, and a small one is centered', () => {
  assert.deepEqual([10, 0, -150, -200, -300].map((start) => clamped(start, 500, 300)), [0, 0, -150, -200, -200]);
  assert.equal(clamped(-10, 200, 300), 50);
});

test('the point under the pointer stays there', () => {
  assert.equal(enlarged(150, 0, 300, 1800), -750);
  assert.equal(enlarged(0, 0, 300, 1800), 0);
  assert.equal(enlarged(100, 50, 200, 1000), -150);
  assert.equal(enlarged(20, 50, 200, 1000), 20); // beside the photo: its edge
  assert.equal(enlarged(280, 50, 200, 1000), -720);
});
