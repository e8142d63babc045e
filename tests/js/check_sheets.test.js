import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { makeSheets } from '../../imlcull_al/ui/assets/logic/check_sheets.js';

const NONE = new Set();
let sheets;

beforeEach(() => { sheets = makeSheets(); sheets.fit(2); });

function photos(text) { return [...text].map((key) => ({ key })); }
function receive(text, again = null, underway = NONE) {
  sheets.receive({ queue: sheets.queue(), photos: photos(text), again: again && { key: again } }, underway);
}
function keys(list) { return list.map(({ key }) => key).join(''); }
// What is on screen, what follows, and the photo asked again.
function state() { return [keys(sheets.sheet()?.photos ?? []), keys(sheets.next()), sheets.asked()?.key]; }
function undo(number) { const last = sheets.takeBack(); sheets.undo(number, last); return last; }

test('the first reply fills the sheet, the second the one after it', () => {
  assert.deepEqual(sheets.describe(), { queue: 'sheet', held: [], count: 2 });
  receive('ab');
  assert.deepEqual([state(), sheets.describe()], [['ab', '', undefined], { queue: 'sheet', held: ['a', 'b'], count: 4 }]);
  receive('abcd');
  assert.deepEqual([state(), sheets.describe().count], [['ab', 'cd', undefined], 4]);
});

test('nothing moves on a sheet; new photos come after it', () => {
  receive('bc');
  receive('abcd');
  assert.deepEqual(state(), ['bc', 'ad', undefined]);
  receive('bcde');
  assert.deepEqual(state(), ['bc', 'de', undefined]);
});

test('an answered sheet gives way to the next one at once', () => {
  receive('ab');
  receive('abcd');
  sheets.mark('a', true);
  assert.deepEqual([keys(sheets.present()), sheets.marks()], ['ab', 1]);
  sheets.answer(1);
  assert.deepEqual([state(), sheets.marks()], [['cd', '', undefined], 0]);
  receive('abcd', null, new Set(['a', 'b'])); // asked before the answer was there
  assert.deepEqual(state(), ['cd', '', undefined]);
  receive('cdef');
  assert.deepEqual(state(), ['cd', 'ef', undefined]);
});

test('photos that somebody else answered are no longer to be answered', () => {
  receive('abc');
  sheets.fit(3);
  receive('ac', null, NONE);
  sheets.mark('b', true);
  assert.deepEqual([keys(sheets.sheet().photos), keys(sheets.present()), sheets.marks()], ['ab', 'a', 0]);
  receive('ac', null, new Set(['b'])); // an undo of ours is under way
  assert.equal(keys(sheets.present()), 'ab');
});

test('a sheet without photos to answer is passed', () => {
  receive('ab');
  receive('cd');
  assert.equal(keys(sheets.present()), '');
  sheets.pass();
  assert.deepEqual(state(), ['cd', '', undefined]);
});

test('photos are asked again after a sheet, one by one, before the next', () => {
  receive('ab', 'x');
  receive('abcd', 'x');
  assert.deepEqual([state(), sheets.due().key], [['ab', 'cd', undefined], 'x']);
  sheets.answer(1);
  assert.deepEqual(state(), ['', 'cd', 'x']);
  receive('cd', 'x');
  sheets.answer(2);
  assert.deepEqual([state(), sheets.isAwaited()], [['', 'cd', undefined], true]);
  receive('cd', 'a');
  assert.deepEqual(state(), ['', 'cd', 'a']);
  sheets.answer(3);
  receive('cd');
  assert.deepEqual([state(), sheets.isAwaited()], [['cd', '', undefined], false]);
});

test('a reply from before the answer does not end the asking', () => {
  receive('ab', 'x');
  receive('abcd', 'x');
  sheets.answer(1);
  sheets.answer(2);
  receive('cd', 'x', new Set(['x']));
  assert.deepEqual([state(), sheets.isAwaited()], [['', 'cd', undefined], true]);
  receive('cd', 'a');
  assert.deepEqual(state(), ['', 'cd', 'a']);
  sheets.answer(3);
  sheets.pass();
  assert.deepEqual(state(), ['cd', '', undefined]);
});

test('the last ones are asked again when no sheet is left', () => {
  receive('ab');
  sheets.answer(1);
  receive('', 'a');
  assert.deepEqual(state(), ['', '', 'a']);
});

test('one that is under way, or on screen, is not asked again', () => {
  receive('', 'a', new Set(['a']));
  assert.deepEqual(state(), ['', '', undefined]);
  receive('', 'a');
  receive('', 'a');
  assert.deepEqual([state(), sheets.due()], [['', '', 'a'], null]);
});

test('later means after the next sheet; without a reply it goes on with what is there', () => {
  receive('ab', 'x');
  receive('abcd', 'x');
  sheets.answer(1);
  sheets.pass();
  assert.deepEqual(state(), ['cd', '', undefined]);
  receive('cdef', 'x');
  sheets.answer(2);
  sheets.answer(3);
  sheets.miss();
  assert.deepEqual([state(), sheets.isAwaited()], [['ef', '', undefined], false]);
});

test('undo brings a sheet back with its marks, and what was on screen comes right after', () => {
  receive('ab');
  receive('abcd');
  sheets.mark('b', true);
  sheets.answer(1);
  sheets.mark('c', true);
  assert.deepEqual(undo(2), { number: 1, keys: ['a', 'b'] });
  assert.deepEqual([state(), sheets.marks()], [['ab', 'cd', undefined], 1]);
  receive('cdef', null, new Set(['a', 'b']));
  assert.deepEqual([state(), keys(sheets.present())], [['ab', 'cd', undefined], 'ab']);
  sheets.answer(3);
  assert.deepEqual([state(), sheets.marks()], [['cd', 'ef', undefined], 1]);
  assert.equal(undo(4).number, 3);
  assert.equal(sheets.takeBack(), null);
});

test('undo goes back through photos asked again', () => {
  receive('ab', 'x');
  receive('abcd', 'x');
  sheets.answer(1);
  sheets.answer(2);
  receive('cd');
  assert.deepEqual([undo(3), state()], [{ number: 2, keys: ['x'] }, ['', 'cd', 'x']]);
  assert.deepEqual([undo(4), state()], [{ number: 1, keys: ['a', 'b'] }, ['ab', 'cd', undefined]]);
  assert.equal(sheets.due().key, 'x');
});

test('a refused sheet is back on screen, and not to be undone', () => {
  receive('ab');
  receive('abcd');
  sheets.answer(1);
  assert.equal(sheets.took([1], []), true);
  assert.deepEqual([state(), sheets.takeBack()], [['ab', 'cd', undefined], null]);
  assert.equal(sheets.took([9], [{ number: 8, keys: ['z'] }]), false);
});

test('what an undo left is of somebody else: it leaves the sheet and is not to be undone', () => {
  receive('ab');
  receive('abcd');
  sheets.answer(1);
  undo(2);
  assert.equal(sheets.took([], [{ number: 2, keys: ['a'] }]), true);
  assert.deepEqual(state(), ['a', 'cd', undefined]);
  assert.equal(sheets.takeBack(), null);
});

test('another queue starts anew, and undo returns to the old one', () => {
  receive('ab');
  sheets.answer(1);
  sheets.choose('look');
  assert.deepEqual([state(), sheets.describe()], [['', '', undefined], { queue: 'look', held: [], count: 2 }]);
  sheets.receive({ queue: 'sheet', photos: photos('cd'), again: null }, NONE); // of the old queue
  assert.deepEqual(state(), ['', '', undefined]);
  receive('ef');
  receive('efgh');
  undo(2);
  assert.deepEqual([sheets.queue(), state()], ['sheet', ['ab', '', undefined]]);
});
