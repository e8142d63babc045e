import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { makeSelection } from '../../imlcull_al/ui/assets/logic/review_selection.js';

let selection;

beforeEach(() => {
  selection = makeSelection();
  selection.list([5, 3, 8, 1, 9]);
});

function picked() { return [0, 1, 3, 5, 8, 9].filter((row) => selection.has(row)); }

test('the focus moves within the list', () => {
  const rows = [2, 7, -1, 4, 0].map((position) => { selection.moveTo(position); return selection.row(); });
  assert.deepEqual(rows, [8, 9, 5, 9, 5]);
});

test('an empty list has no row in focus', () => {
  selection.list([]);
  assert.deepEqual([selection.focus(), selection.row(), selection.chosen(false)], [0, undefined, []]);
});

test('in a new order the focus stays on its photo', () => {
  selection.moveTo(2);
  selection.list([1, 5, 8]);
  assert.deepEqual([selection.focus(), selection.row()], [2, 8]);
  selection.list([5]);
  assert.deepEqual([selection.focus(), selection.row()], [0, 5]);
});

test('a photo that is no longer listed leaves the focus where it was', () => {
  selection.moveTo(3);
  selection.list([5, 3, 8, 9]);
  assert.deepEqual([selection.focus(), selection.row()], [3, 9]);
});

test('a range goes from the last place chosen, in either direction', () => {
  selection.moveTo(2);
  selection.moveTo(4, true);
  assert.deepEqual(picked(), [1, 8, 9]);
  selection.moveTo(1, true);
  assert.deepEqual([picked(), selection.count()], [[3, 8], 2]);
  selection.moveTo(0);
  assert.deepEqual(picked(), []);
});

test('a long press begins a range', () => {
  selection.beginRange(3);
  assert.deepEqual([picked(), selection.row()], [[1], 1]);
  selection.moveTo(1, true);
  assert.deepEqual(picked(), [1, 3, 8]);
});

test('single photos are picked and dropped, beginning with the one in focus', () => {
  selection.toggle(2);
  assert.deepEqual([picked(), selection.focus()], [[5, 8], 2]);
  selection.toggle(4);
  selection.toggle(0);
  assert.deepEqual(picked(), [8, 9]);
});

test('an answer is for what is picked, else for the photo in focus, which alone is large', () => {
  selection.moveTo(1);
  assert.deepEqual(selection.chosen(false), [3]);
  selection.pickAll();
  assert.deepEqual([selection.chosen(false), selection.chosen(true)], [[5, 3, 8, 1, 9], [3]]);
  selection.pickNone();
  assert.deepEqual(selection.chosen(false), [3]);
});

test('other photos begin at the first, with none picked', () => {
  selection.moveTo(3);
  selection.pickAll();
  selection.clear();
  selection.list([7, 5, 1]);
  assert.deepEqual([selection.row(), selection.count()], [7, 0]);
});
