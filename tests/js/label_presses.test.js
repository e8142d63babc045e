import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { makePresses } from '../../imlcull_al/ui/assets/logic/label_presses.js';
import { makeQueue } from '../../imlcull_al/ui/assets/logic/label_queue.js';

let queue, sent, done, screen, presses;

beforeEach(() => {
  [sent, done] = [[], []];
  queue = makeQueue();
  queue.offer(['a', 'b', 'c'].map((key) => ({ key, queue: 'uncertain', label: null })), new Set());
  queue.advance();
  screen = {
    painted: true, drawn: true,
    isPainted: () => screen.painted, isDrawn: () => screen.drawn,
    display() { screen.painted = false; done.push(`display ${queue.current()?.key}`); },
    tell() { done.push('tell'); }, look() { done.push('look'); }, async jump(key) { done.push(`jump ${key}`); },
    others: { zoom: (photo) => done.push(`zoom ${photo?.key}`) },
  };
  presses = makePresses(queue, { add: (press) => sent.push(press) }, screen);
});

function paint() { screen.painted = true; presses.drain(); }

test('an answer names the photo and its queue, and shows the next one', () => {
  presses.press('answer', 'keep');
  assert.deepEqual(sent, [{ do: 'answer', key: 'a', label: 'keep', queue: 'uncertain' }]);
  assert.deepEqual(done, ['display b']);
});

test('presses wait for the photo that they are for', () => {
  for (const label of ['keep', 'cull', 'keep']) presses.press('answer', label);
  assert.deepEqual(sent.map(({ key }) => key), ['a']);
  paint();
  paint();
  assert.deepEqual(sent.map(({ key, label }) => [key, label]), [['a', 'keep'], ['b', 'cull'], ['c', 'keep']]);
});

test('answers beyond the last photo are counted, and answer nothing that comes later', () => {
  for (const key of 'abc') { presses.press('answer', 'keep'); screen.painted = true; assert.equal(sent.at(-1).key, key); }
  presses.press('answer', 'keep');
  assert.equal(presses.words(), 'One press ignored: no photo was on screen yet.');
  presses.press('skip');
  assert.equal(presses.words(), '2 presses ignored: no photo was on screen yet.');
  queue.offer([{ key: 'd', label: null }], new Set());
  queue.advance();
  paint();
  assert.equal(sent.length, 3);
  presses.press('answer', 'cull');
  assert.deepEqual([sent.at(-1).key, presses.words()], ['d', '']);
});

test('a photo that could not be loaded is not answered, but passed', () => {
  screen.drawn = false;
  presses.press('answer', 'keep');
  assert.deepEqual([sent, presses.words()], [[], 'One press ignored: no photo was on screen yet.']);
  presses.press('next');
  assert.deepEqual(done, ['tell', 'display b', 'look']);
});

test('while a reply decides what to show, answers are dropped and others wait', () => {
  presses.awaitLook();
  presses.press('answer', 'keep');
  presses.press('zoom');
  presses.press('answer', 'keep');
  assert.deepEqual([sent, done, presses.words()], [[], ['tell'], 'One press ignored: no photo was on screen yet.']);
  presses.looked();
  presses.drain();
  assert.deepEqual([done.slice(0, 2), sent.length], [['tell', 'zoom a'], 1]);
});

test('a skip of a labeled photo only goes on', () => {
  presses.press('answer', 'keep');
  screen.painted = true;
  presses.press('previous');
  screen.painted = true;
  presses.press('skip');
  assert.deepEqual(sent.length, 1);
  assert.deepEqual(done, ['display b', 'display a', 'display b', 'look']);
});

test('undo takes back the last answer given here', () => {
  presses.press('answer', 'keep');
  paint();
  presses.press('undo');
  assert.deepEqual(sent[1], { do: 'undo', key: 'a', of: 1 });
  assert.deepEqual([done.at(-1), queue.current().label], ['display a', null]);
});

test('without an answer of its own, the page shows what the server undid', async () => {
  presses.press('undo');
  assert.deepEqual(sent, [{ do: 'undo', key: null, of: undefined }]);
  await presses.took([], [], []);
  assert.deepEqual(done, []);
  await presses.took([1], [], [{ number: 1, keys: ['z'] }]);
  assert.deepEqual(done, ['jump z']);
});

test('a look that was under way when undo was pressed decides nothing', async () => {
  presses.press('undo');
  presses.looked();
  presses.press('undo');
  assert.equal(sent.length, 1); // the second waits for the first
  await presses.took([1], [], [{ number: 1, keys: ['z'] }]);
  assert.deepEqual([done, sent.length], [['jump z'], 2]);
  presses.looked();
  await presses.took([2], [], [{ number: 2, keys: ['y'] }]);
  assert.deepEqual(done, ['jump z', 'jump y']);
});

test('an undo that found nothing holds up no press', async () => {
  presses.press('undo');
  await presses.took([1], [1], []);
  presses.press('answer', 'keep');
  assert.equal(sent.at(-1).key, 'a');
});

test('an undo elsewhere on the page, or of an earlier page, moves nothing here', async () => {
  await presses.took([1], [], [{ number: 1, keys: ['z'] }]);
  presses.press('undo');
  await presses.took([], [], [{ number: 1, keys: ['z'] }]);
  assert.deepEqual(done, []);
});

test('a refused answer shows its photo again', () => {
  presses.press('answer', 'keep');
  presses.took([1], [1], []);
  assert.deepEqual([done, queue.current().isOpen], [['display b', 'display a'], true]);
  presses.took([9], [9], []);
  assert.equal(done.length, 2);
});

test('what waits for another queue is forgotten', () => {
  presses.press('answer', 'keep');
  presses.press('answer', 'keep');
  presses.forget();
  paint();
  assert.equal(sent.length, 1);
});

test('a complaint is said until the next answer', () => {
  presses.complain('Double click: only the first click counted.');
  assert.equal(presses.words(), 'Double click: only the first click counted.');
  presses.press('next');
  paint();
  assert.equal(presses.words(), 'Double click: only the first click counted.');
  presses.press('answer', 'cull');
  assert.equal(presses.words(), '');
});

test('an answer without a label is what is chosen on screen when the photo is there', () => {
  let chosen = 'red=1';
  screen.chosen = () => chosen;
  screen.others.toggle = (photo, number) => { chosen = `${photo.key} ${number}`; };
  presses.press('answer');
  presses.press('toggle', 2); // for the next photo, which is not painted yet
  presses.press('answer');
  assert.deepEqual(sent.map(({ key, label }) => [key, label]), [['a', 'red=1']]);
  paint();
  presses.press('skip');
  paint();
  assert.deepEqual(sent.map(({ key, label }) => [key, label]), [['a', 'red=1'], ['b', 'b 2'], ['c', undefined]]);
});
