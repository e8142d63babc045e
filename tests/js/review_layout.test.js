import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cornerOf, inSight, layoutOf, rowsIn, scrolledTo } from '../../imlcull_al/ui/assets/logic/review_layout.js';

const GRID = { count: 25, columns: 4, width: 92, rowHeight: 100 }; // seven rows

test('as many columns as fit, sharing the width', () => {
  assert.deepEqual(layoutOf(1000, 25),
    { count: 25, columns: 6, width: 160, rowHeight: 160, cellHeight: 152, height: 800 });
  assert.deepEqual(layoutOf(632, 8).columns, 4); // 4 × 152 and three gaps
  assert.deepEqual(layoutOf(631, 8).columns, 3);
});

test('on a phone the cells are smaller, and never too many for the width', () => {
  assert.deepEqual(layoutOf(360, 4), { count: 4, columns: 3, width: 114, rowHeight: 123, cellHeight: 115, height: 246 });
  assert.equal(layoutOf(599, 4).columns, 5);
  assert.equal(layoutOf(600, 4).columns, 3);
  assert.equal(layoutOf(50, 4).columns, 1);
  assert.equal(layoutOf(1000, 0).height, 0);
});

test('cells of one row more above and below are held', () => {
  assert.deepEqual(inSight(GRID, 0, 250), [0, 24]);
  assert.deepEqual(inSight(GRID, 199, 250), [0, 24]);
  assert.deepEqual(inSight(GRID, 200, 250), [4, 25]);
  assert.deepEqual(inSight(GRID, 450, 100), [12, 25]);
  assert.deepEqual(inSight({ ...GRID, count: 0 }, 0, 250), [0, 0]);
  assert.deepEqual(inSight({ ...GRID, count: 1000 }, 1000, 250), [36, 60]);
});

test('every cell in sight is held, at any scroll', () => {
  for (let top = 0; top <= 450; top += 1) {
    const [first, end] = inSight(GRID, top, 250);
    for (let position = 0; position < GRID.count; position += 1) {
      const [, y] = cornerOf(GRID, position);
      if (y + 100 > top && y < top + 250) assert.ok(first <= position && position < end, `${position} at ${top}`);
    }
  }
});

test('cells lie row by row', () => {
  assert.deepEqual([0, 3, 4, 9].map((position) => cornerOf(GRID, position)), [[0, 0], [300, 0], [0, 100], [100, 200]]);
});

test('it scrolls as little as needed', () => {
  assert.equal(scrolledTo(GRID, 5, 100, 250), 100); // in sight
  assert.equal(scrolledTo(GRID, 5, 101, 250), 100);
  assert.equal(scrolledTo(GRID, 12, 100, 250), 150);
  assert.equal(scrolledTo(GRID, 12, 150, 250), 150);
  assert.equal(scrolledTo(GRID, 12, 0, 250, true), 225); // to the middle
});

test('whole rows of a page, at least one', () => {
  assert.deepEqual([250, 300, 50].map((high) => rowsIn(GRID, high)), [2, 3, 1]);
});
