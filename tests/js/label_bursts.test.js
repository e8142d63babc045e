import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { captionOf, makeBursts, spokenFrame, spokenWhole, wholeBurst } from '../../imlcull_al/ui/assets/logic/label_bursts.js';
import { makePresses } from '../../imlcull_al/ui/assets/logic/label_presses.js';
import { makeQueue, refresh } from '../../imlcull_al/ui/assets/logic/label_queue.js';

const NONE = new Set();
let bursts, queue, sent, presses;

function burstOf(keys, more = {}) {
  const frames = [...keys].map((key) => ({ key, id: key, p_keep: 0.5, label: null, queue: null }));
  return { frames, sharpest: null, bracket: false, blind: false, ...more };
}

function labels(key) { return bursts.of({ key }).frames.map(({ label }) => label); }

beforeEach(() => {
  sent = [];
  bursts = makeBursts();
  bursts.take([burstOf('abcd')], NONE);
  queue = makeQueue(bursts);
  queue.offer(['b', 'c', 'z'].map((key) => ({ key, queue: 'uncertain', label: null })), NONE);
  queue.advance();
  const screen = { isPainted: () => true, isDrawn: () => true, display() {}, tell() {}, look() {}, others: {} };
  presses = makePresses(queue, { add: (press) => sent.push(press) }, screen);
});

test('steps show the frames of the burst, and end at its ends', () => {
  assert.deepEqual([queue.step(-1), queue.current().key, queue.step(-1), queue.current().key], [true, 'a', false, 'a']);
  assert.deepEqual([queue.step(1), queue.current() === queue.asked()], [true, true]);
  assert.deepEqual([queue.showFrame('d'), queue.current().key, queue.showFrame('z')], [true, 'd', false]);
});

test('a frame on screen is asked of nobody: what is held stays', () => {
  queue.step(-1);
  assert.deepEqual(queue.describe(), { held: ['b', 'c', 'z'], passed: [], current: 'a' });
  assert.deepEqual(queue.near().map(({ key }) => key).slice(0, 3), ['a', 'c', 'b']);
});

test('a frame that was not asked is answered outside of every queue, then comes the next open one', () => {
  queue.step(-1);
  presses.press('answer', 'cull');
  assert.deepEqual(sent, [{ do: 'answer', keys: ['a'], label: 'cull', queue: null }]);
  assert.equal(queue.current(), queue.asked());
  presses.press('answer', 'keep');
  assert.deepEqual([sent[1].key, sent[1].queue, queue.current().key], ['b', 'uncertain', 'c']);
  assert.deepEqual(labels('a'), ['cull', 'keep', null, null]);
});

test('after the last frame, the one that was asked is asked again', () => {
  queue.showFrame('d');
  presses.press('answer', 'keep');
  assert.equal(queue.current().key, 'b');
});

test('a frame answered in the strip is not asked again', () => {
  queue.showFrame('c');
  presses.press('answer', 'cull');
  queue.showFrame('b');
  presses.press('answer', 'keep');
  assert.equal(queue.current().key, 'z');
});

test('the whole burst: keep this, cull the others without an answer, in one press and one undo', () => {
  queue.showFrame('d');
  presses.press('answer', 'keep');
  presses.press('burst');
  assert.deepEqual(sent[1], { do: 'burst', keys: ['b', 'a', 'c'], key: 'b', queue: 'uncertain' });
  assert.deepEqual([labels('a'), queue.current().key], [['cull', 'keep', 'cull', 'keep'], 'z']);
  presses.press('undo');
  assert.deepEqual(sent[2], { do: 'undo', keys: ['b', 'a', 'c'], of: 2 });
  assert.deepEqual([labels('a'), queue.current().key, queue.current().isOpen], [[null, null, null, 'keep'], 'b', true]);
  presses.press('undo');
  assert.deepEqual([sent[3], queue.current().key, queue.asked().isOpen], [{ do: 'undo', key: 'd', of: 1 }, 'd', true]);
});

test('a refused burst is open again, with the frame that was on screen', async () => {
  queue.step(1);
  presses.press('burst');
  assert.equal(queue.current().key, 'z');
  await presses.took([1], [1], []);
  assert.deepEqual([queue.current().key, queue.asked().key, labels('a')], ['c', 'b', [null, null, null, null]]);
});

test('a single photo, a bracket, and a burst without open others have no answer at once', () => {
  assert.equal(wholeBurst(null, { key: 'a' }), null);
  assert.equal(wholeBurst(burstOf('ab', { bracket: true }), { key: 'a' }), null);
  const [one, two] = burstOf('ab').frames;
  assert.equal(wholeBurst({ frames: [one, { ...two, label: 'keep' }] }, one), null);
  presses.press('answer', 'keep');
  presses.press('answer', 'keep');
  presses.press('burst');
  assert.equal(sent.length, 2);
});

test('previous leaves the strip first', () => {
  queue.step(-1);
  assert.deepEqual([queue.isFirst(), queue.back(), queue.current().key, queue.isFirst()], [false, true, 'b', true]);
});

test('a reply does not undo an answer that is under way', () => {
  bursts.mark('a', 'keep');
  bursts.take([burstOf('abcd')], new Set(['a']));
  assert.deepEqual(labels('a'), ['keep', null, null, null]);
  bursts.take([burstOf('abcd')], NONE);
  assert.deepEqual(labels('a'), [null, null, null, null]);
});

test('the score of a frame of a hidden burst is not shown later either', () => {
  bursts.take([burstOf('abcd', { blind: true })], NONE);
  queue.step(-1);
  const frame = queue.current();
  frame.p_keep = null;
  assert.equal(refresh(frame, { key: 'a', label: null, p_keep: 0.9 }), false);
  assert.equal(frame.p_keep, null);
});

test('what is said of a frame and of the whole burst', () => {
  assert.equal(captionOf({ label: null, p_keep: 0.873 }), '87%');
  assert.equal(captionOf({ label: 'cull', p_keep: null }), '✕');
  assert.equal(captionOf({ label: 'dress' }), 'dress');
  assert.equal(spokenFrame({ key: 'a.jpg', p_keep: 0.873 }, 'keep', true), 'a.jpg, keep, 87% keep, sharpest');
  assert.equal(spokenFrame({ key: 'a.jpg', p_keep: null }, null, false), 'a.jpg, no answer');
  assert.deepEqual([null, ['a', 'b'], ['a', 'b', 'c']].map(spokenWhole), ['', 'Keep this, cull the other', 'Keep this, cull the other 2']);
});
