import assert from 'node:assert/strict';
import { test } from 'node:test';

import { acrossRows, cornerOf, inSight, layoutOf, rowsIn, scrolledTo } from '../../imlcull_al/ui/assets/logic/review_layout.js';

// Four columns of 92 pixels, rows of 100: 25 photos in seven rows; and sections of 6, 1 and 5, each below a header of 36.
const SIZE = { columns: 4, width: 92, rowHeight: 100 };
const GRID = { ...SIZE, head: 0, starts: [0, 25], tops: [0, 700], count: 25 };
const MOMENTS = { ...SIZE, head: 36, starts: [0, 6, 7, 12], tops: [0, 236, 372, 608], count: 12 };

test('as many columns as fit, sharing the width', () => {
  assert.deepEqual(layoutOf(1000, [25]),
    { count: 25, columns: 6, width: 160, rowHeight: 160, cellHeight: 152, height: 800, head: 0, starts: [0, 25], tops: [0, 800] });
  assert.deepEqual(layoutOf(632, [8]).columns, 4); // 4 × 152 and three gaps
  assert.deepEqual(layoutOf(631, [8]).columns, 3);
});

test('on a phone the cells are smaller, and never too many for the width', () => {
  const { columns, width, height } = layoutOf(360, [4]);
  assert.deepEqual([columns, width, height], [3, 114, 246]);
  assert.equal(layoutOf(599, [4]).columns, 5);
  assert.equal(layoutOf(600, [4]).columns, 3);
  assert.equal(layoutOf(50, [4]).columns, 1);
  assert.equal(layoutOf(1000, [0]).height, 0);
});

test('a chosen size is the least width of a cell', () => {
  assert.deepEqual([80, 300, 480].map((least) => layoutOf(1000, [4], least).columns), [11, 3, 2]);
  assert.equal(layoutOf(300, [4], 480).columns, 1);
});

test('every section begins a row, below its header', () => {
  const { starts, tops, height } = layoutOf(392, [6, 1, 5], 92, true);
  assert.deepEqual([starts, height], [[0, 6, 7, 12], tops[3]]);
  assert.deepEqual(tops, [0, 36 + 2 * 106, 2 * 36 + 3 * 106, 3 * 36 + 5 * 106]);
});

test('cells of one row more above and below are held, with the headers of their sections', () => {
  assert.deepEqual(inSight(GRID, 0, 250), [0, 16, 0, 1]);
  assert.deepEqual(inSight(GRID, 199, 250), [0, 24, 0, 1]);
  assert.deepEqual(inSight(GRID, 200, 250), [4, 24, 0, 1]);
  assert.deepEqual(inSight(GRID, 450, 250), [12, 25, 0, 1]);
  assert.deepEqual(inSight({ ...GRID, starts: [0, 0], tops: [0, 0], count: 0 }, 0, 250), [0, 0, 0, 0]);
  assert.deepEqual(inSight(MOMENTS, 0, 100), [0, 6, 0, 1]);
  assert.deepEqual(inSight(MOMENTS, 372, 100), [6, 12, 1, 3]);
});

test('every cell in sight is held, at any scroll', () => {
  for (const grid of [GRID, MOMENTS]) {
    for (let top = 0; top <= 450; top += 1) {
      const [first, end] = inSight(grid, top, 250);
      for (let position = 0; position < grid.count; position += 1) {
        const [, y] = cornerOf(grid, position);
        if (y + 100 > top && y < top + 250) assert.ok(first <= position && position < end, `${position} at ${top}`);
      }
    }
  }
});

test('cells lie row by row', () => {
  assert.deepEqual([0, 3, 4, 9].map((position) => cornerOf(GRID, position)), [[0, 0], [300, 0], [0, 100], [100, 200]]);
  assert.deepEqual([0, 5, 6, 7, 11].map((position) => cornerOf(MOMENTS, position)), [[0, 36], [100, 136], [0, 272], [0, 408], [0, 508]]);
});

test('up and down stay in the column, or go to the end of a shorter row; at the edges they stay', () => {
  const across = (grid, from, ...rows) => rows.map((count) => acrossRows(grid, from, count));
  assert.deepEqual(across(GRID, 17, -1, 1, -3, 3), [13, 21, 5, 24]);
  assert.deepEqual(across(GRID, 3, -1, -9), [3, 3]);
  assert.deepEqual(across(GRID, 24, 1, 9), [24, 24]);
  assert.deepEqual(across(MOMENTS, 3, 1, 2, 3, 4), [5, 6, 10, 11]);
  assert.deepEqual(across(MOMENTS, 10, -1, -2, -3), [6, 5, 3]);
});

test('it scrolls as little as needed, to the header of a first row', () => {
  assert.equal(scrolledTo(GRID, 5, 100, 250), 100); // in sight
  assert.equal(scrolledTo(GRID, 5, 101, 250), 100);
  assert.equal(scrolledTo(GRID, 12, 100, 250), 150);
  assert.equal(scrolledTo(GRID, 12, 150, 250), 150);
  assert.equal(scrolledTo(GRID, 12, 0, 250, true), 225); // to the middle
  assert.deepEqual([7, 10, 11].map((position) => scrolledTo(MOMENTS, position, 500, 250)), [372, 372, 500]);
});

test('whole rows of a page, at least one', () => {
  assert.deepEqual([250, 300, 50].map((high) => rowsIn(GRID, high)), [2, 3, 1]);
});
