import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  colourOf, isTyped, labelOf, pressFor, readTask, spokenLabel, tagsOf, unknownIn,
} from '../../imlcull_al/ui/assets/logic/task.js';

const GARMENT = { name: 'garment', classes: ['shirt', 'dress', 'shoe'], isExclusive: true };
const NOTES = { name: 'notes', classes: ['red', 'striped', 'worn'], isExclusive: false };

test('a task is read from text that holds nothing of a template', () => {
  const text = '%7B%22name%22%3A%20%22notes%22%2C%20%22classes%22%3A%20%5B%22%24%7Bx%7D%22%5D%7D';
  assert.deepEqual(readTask(text), { name: 'notes', classes: ['${x}'] });
});

test('what a label says of each class', () => {
  assert.deepEqual(tagsOf(GARMENT, 'dress'), [false, true, false]);
  assert.deepEqual([null, ''].map((label) => tagsOf(GARMENT, label)), [[null, null, null], [null, null, null]]);
  assert.deepEqual(tagsOf(NOTES, 'red=1;striped=0'), [true, false, null]);
  assert.deepEqual(tagsOf(NOTES, null), [null, null, null]);
});

test('the label of tags, in which unknown ones are not named', () => {
  assert.equal(labelOf(NOTES, [true, false, null]), 'red=1;striped=0');
  assert.equal(labelOf(NOTES, [false, false, false]), 'red=0;striped=0;worn=0');
  assert.equal(labelOf(NOTES, [null, null, null]), '');
});

test('a label in words', () => {
  assert.equal(spokenLabel(GARMENT, 'dress'), 'dress');
  assert.deepEqual(['red=1;worn=1', 'red=1', 'red=0;striped=0'].map((label) => spokenLabel(NOTES, label)), ['red, worn', 'red', 'none']);
});

test('a tag that is newer than an answer is unknown in it', () => {
  assert.deepEqual(unknownIn(NOTES, 'red=1;striped=0'), ['worn']);
  assert.deepEqual([unknownIn(NOTES, 'red=1;striped=0;worn=0'), unknownIn(NOTES, null), unknownIn(GARMENT, 'dress')], [[], [], []]);
});

test('the button of a class answers, that of a tag toggles', () => {
  assert.deepEqual(pressFor(GARMENT, 1), ['answer', 'dress']);
  assert.deepEqual(pressFor(NOTES, 1), ['toggle', 1]);
});

test('more than nine classes are typed', () => {
  assert.deepEqual([9, 10].map((count) => isTyped({ classes: Array(count).fill('') })), [false, true]);
});

test('eight colors, again and again', () => {
  assert.deepEqual([0, 7, 8].map(colourOf), ['var(--class-0)', 'var(--class-7)', 'var(--class-0)']);
});
