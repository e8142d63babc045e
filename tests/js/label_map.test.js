import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { makeMap } from '../../imlcull_al/ui/assets/logic/label_map.js';
import { settled } from './fakes.js';

let wanted, loads, said, redrawn, closed, map;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
  [loads, said, redrawn, closed] = [[], [], 0, []];
  wanted = photos('a', 'b');
  map = makeMap({
    wanted: () => wanted, redraw: () => { redrawn += 1; }, turned: () => {}, say: (text) => said.push(text),
    load: ({ id }) => new Promise((resolve) => { loads.push({ id, resolve }); }),
  });
});

function photos(...ids) { return ids.map((id) => ({ id })); }
function bitmap(id) { return { id, close: () => closed.push(id) }; }
function asked() { return loads.map(({ id }) => id); }

async function arrive(entry) {
  const { id, resolve } = loads.at(-1);
  resolve(entry || { bitmap: bitmap(id) });
  await settled();
}

async function show(...ids) {
  wanted = photos(...ids);
  map.rest(250);
  mock.timers.tick(250);
  await settled();
}

test('while off, it loads and shows nothing', async () => {
  map.rest(250);
  mock.timers.tick(250);
  await settled();
  assert.deepEqual([asked(), map.of(wanted[0]), map.isOn()], [[], undefined, false]);
});

test('it loads the map on screen, then the next, one at a time', async () => {
  map.turn(true);
  assert.deepEqual([asked(), said.at(-1)], [['a'], 'loading']);
  await arrive();
  assert.deepEqual([asked(), map.of(wanted[0]).id, redrawn, said.at(-1)], [['a', 'b'], 'a', 2, '']);
  await arrive();
  assert.deepEqual([asked(), redrawn], [['a', 'b'], 2]); // nobody sees the second
  map.turn(false);
  assert.equal(map.of(wanted[0]), undefined);
});

test('after another photo, it waits until that was on screen for a while', async () => {
  map.turn(true);
  await arrive();
  await arrive();
  wanted = photos('c', 'd');
  map.rest(250);
  mock.timers.tick(249);
  await settled();
  assert.deepEqual(asked(), ['a', 'b']);
  mock.timers.tick(1);
  assert.deepEqual(asked(), ['a', 'b', 'c']);
});

test('a map that arrives for a photo that is gone is kept but not drawn', async () => {
  map.turn(true);
  const before = redrawn;
  wanted = photos('c');
  await arrive();
  assert.deepEqual([redrawn, asked(), map.of({ id: 'a' }).id], [before, ['a', 'c'], 'a']);
});

test('why there is no map is said, and it is tried again on return', async () => {
  map.turn(true);
  await arrive({ error: 'The file breaks off.' });
  await arrive();
  assert.deepEqual([said.at(-1), asked()], ['The file breaks off.', ['a', 'b']]);
  await show('b');
  assert.equal(said.at(-1), '');
  await show('a', 'b');
  assert.deepEqual(asked(), ['a', 'b', 'a']);
});

test('of 51 maps the oldest is closed and forgotten', async () => {
  map.turn(true);
  const ids = Array.from({ length: 51 }, (_, number) => `photo ${number}`);
  wanted = photos(...ids);
  await arrive(); // a, which was asked first
  for (const _ of ids.slice(0, 49)) await arrive();
  assert.deepEqual([loads.length, closed], [51, []]);
  await arrive();
  assert.deepEqual([closed, map.of({ id: 'a' }), map.of({ id: ids[0] }).id], [['a'], undefined, ids[0]]);
});
