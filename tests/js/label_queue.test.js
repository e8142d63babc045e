import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { makeQueue, refresh } from '../../imlcull_al/ui/assets/logic/label_queue.js';

let queue;

beforeEach(() => { queue = makeQueue(); });

function photo(key, more = {}) { return { key, id: `id-${key}`, p_keep: null, label: null, queue: 'uncertain', ...more }; }
function offer(letters, underway = []) { queue.offer([...letters].map((key) => photo(key)), new Set(underway)); }
function keyOf() { return queue.current()?.key ?? null; }
function keys(photos) { return photos.map(({ key }) => key).join(''); }

// Answer the photo on screen; the number of the press is that of its letter.
function answer(label = 'keep') { queue.give(keyOf().charCodeAt(0) - 96, label); }

function begin(offered = 'abcdef') {
  offer(offered);
  queue.advance();
}

test('before the first reply there is no photo', () => {
  assert.deepEqual([keyOf(), queue.isFirst(), queue.hasNext(), queue.near()], [null, true, false, []]);
  assert.deepEqual(queue.describe(), { held: [], passed: [], current: null });
});

test('answers go through the queue in its order', () => {
  begin();
  const seen = [];
  for (; keyOf(); answer()) seen.push(keyOf());
  assert.equal(seen.join(''), 'abcdef');
  assert.equal(queue.hasNext(), false);
});

test('a reply replaces what is upcoming, but neither the photo on screen nor those under way', () => {
  begin('abc');
  answer();
  assert.equal(keyOf(), 'b');
  offer('adbec', ['a', 'e']);
  assert.deepEqual(queue.describe(), { held: ['b', 'd', 'c'], passed: [], current: 'b' });
});

test('a photo that was answered here and is offered again is shown as new', () => {
  begin('ab');
  answer();
  offer('ac');
  answer();
  assert.deepEqual([keyOf(), queue.current().isOpen, queue.current().label], ['a', true, null]);
  queue.back();
  assert.equal(keyOf(), 'b');
  assert.equal(queue.back(), false);
});

test('photos passed without an answer come back only when no other is left', () => {
  begin('ab');
  assert.equal(queue.pass(), true);
  assert.deepEqual(queue.describe(), { held: ['b'], passed: ['a'], current: 'b' });
  offer('ac');
  assert.equal(keys(queue.nearest()), 'bc');
  offer('a');
  assert.equal(keys(queue.nearest()), 'ba');
  answer();
  assert.deepEqual([keyOf(), queue.describe()], ['a', { held: ['a'], passed: [], current: 'a' }]);
});

test('the last photo is not passed', () => {
  begin('a');
  assert.equal(queue.pass(), false);
  assert.deepEqual([keyOf(), queue.describe().passed], ['a', []]);
});

test('back and on again through the history', () => {
  begin();
  answer();
  answer('cull');
  assert.equal(queue.back(), true);
  assert.deepEqual([keyOf(), queue.current().label, queue.current().isOpen], ['b', 'cull', false]);
  queue.back();
  assert.deepEqual([keyOf(), queue.isFirst(), queue.back()], ['a', true, false]);
  queue.pass();
  queue.pass();
  assert.equal(keyOf(), 'c');
  assert.deepEqual(queue.describe().passed, []);
});

test('an answer to an earlier photo leads back to the open one', () => {
  begin();
  answer();
  answer();
  queue.back();
  queue.back();
  assert.equal(keys(queue.nearest()), 'ac');
  answer('cull');
  assert.equal(keyOf(), 'c');
});

test('an open photo further on in the history is next, even if none is upcoming', () => {
  begin('ab');
  answer();
  assert.equal(queue.hasNext(), false);
  queue.back();
  assert.equal(queue.hasNext(), true);
});

test('from the end one goes back to the last photo', () => {
  begin('ab');
  answer();
  answer();
  assert.equal(keyOf(), null);
  assert.deepEqual([queue.back(), keyOf()], [true, 'b']);
});

test('undo reopens the photos in reverse order, with the labels that they had', () => {
  begin();
  answer('keep');
  answer('cull');
  queue.back();
  queue.give(9, 'keep'); // b again, now keep
  const undone = [];
  for (let last = queue.takeBack(); last; last = queue.takeBack()) {
    queue.reopen(last);
    undone.push([keyOf(), queue.current().label, queue.current().isOpen]);
  }
  assert.deepEqual(undone, [['b', 'cull', true], ['b', null, true], ['a', null, true]]);
  answer();
  assert.equal(keyOf(), 'b'); // open again, so it comes before the rest
});

test('a skip leaves the label as it is', () => {
  begin();
  queue.give(1, undefined);
  queue.back();
  assert.deepEqual([keyOf(), queue.current().label, queue.current().isOpen], ['a', null, false]);
});

test('a refused answer brings its photo back as it was, and is not to be undone', () => {
  begin();
  answer();
  answer();
  assert.equal(queue.refuse(1), true);
  assert.deepEqual([keyOf(), queue.current().label, queue.current().isOpen], ['a', null, true]);
  assert.equal(queue.takeBack().photo.key, 'b');
  assert.equal(queue.takeBack(), undefined);
  assert.equal(queue.refuse(7), false);
});

test('a photo that is gone leaves for the next one, and is not gone back to', () => {
  begin('abcd');
  answer();
  queue.pass();
  assert.equal(keyOf(), 'c');
  queue.back();
  queue.drop();
  assert.equal(keyOf(), 'c');
  queue.drop();
  assert.equal(keyOf(), 'd');
  queue.back();
  assert.equal(keyOf(), 'a');
});

test('after the last photo that is gone there is none', () => {
  begin('a');
  queue.drop();
  assert.deepEqual([keyOf(), queue.hasNext(), queue.near()], [null, false, []]);
});

test('another queue drops what was offered, and keeps what was answered', () => {
  begin();
  answer();
  queue.pass();
  assert.equal(keyOf(), 'c');
  queue.restart();
  assert.deepEqual([keyOf(), queue.hasNext(), queue.describe()], [null, false, { held: [], passed: [], current: null }]);
  queue.back();
  assert.equal(keyOf(), 'a');
  assert.equal(queue.takeBack().photo.key, 'a');
});

test('another queue shows none of its photos at first, wherever one was', () => {
  begin();
  answer();
  answer();
  queue.back();
  queue.restart();
  assert.equal(keyOf(), null);
});

test('eight upcoming photos keep their place, twelve ahead and six behind stay decoded', () => {
  begin('abcdefghijklmnopqrstuvwxyz');
  for (let count = 0; count < 8; count += 1) answer();
  assert.equal(queue.describe().held.join(''), 'ijklmnopq');
  assert.equal(keys(queue.near()), 'ijklmnopqrstuhgfedc');
});

test('a request lists the last 500 photos passed', () => {
  const many = Array.from({ length: 502 }, (_, number) => `photo ${number}`);
  queue.offer(many.map((key) => photo(key)), new Set());
  queue.advance();
  for (let count = 0; count < 501; count += 1) queue.pass();
  assert.deepEqual(queue.describe().passed, many.slice(1, 501));
});

test('a new score or label of the photo on screen is taken over', () => {
  const shown = photo('a', { p_keep: 0.25 });
  assert.equal(refresh(shown, photo('a', { p_keep: 0.25 })), false);
  assert.equal(refresh(shown, photo('a', { p_keep: 0.5 })), true);
  assert.equal(refresh(shown, photo('a', { p_keep: null, label: 'cull' })), true);
  assert.deepEqual([shown.p_keep, shown.label], [0.5, 'cull']);
});

test('the score of a spot check stays hidden while it is open', () => {
  const check = photo('a', { queue: 'audit', isOpen: true });
  assert.equal(refresh(check, photo('a', { p_keep: 0.9 })), false);
  assert.equal(refresh(check, photo('a', { p_keep: 0.9, label: 'keep' })), true);
  assert.deepEqual([check.p_keep, check.label], [null, 'keep']);
  check.isOpen = false;
  assert.equal(refresh(check, photo('a', { p_keep: 0.9, label: 'keep' })), true);
  assert.equal(check.p_keep, 0.9);
});

test('the likeliest classes are refreshed as p_keep is', () => {
  const shown = { key: 'a', queue: 'uncertain', label: null, likely: [[1, 0.5]], isOpen: true };
  assert.equal(refresh(shown, { ...shown }), false);
  assert.equal(refresh(shown, { ...shown, likely: [[1, 0.6]] }), true);
  assert.deepEqual(shown.likely, [[1, 0.6]]);
  refresh(shown, { ...shown, likely: [] });
  assert.deepEqual(shown.likely, [[1, 0.6]]);
  const check = { ...shown, queue: 'audit', likely: [] };
  assert.equal(refresh(check, { ...check, likely: [[1, 0.6]] }), false);
  assert.deepEqual(check.likely, []);
});
