import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { MOST, makeLately } from '../../imlcull_al/ui/assets/logic/label_lately.js';

let lately;

function shown() { return lately.list().map(({ key, label }) => `${key} ${label}`); }
function sent(...answers) { return answers.map((text) => { const [key, label] = text.split(' '); return { key, id: key, label }; }); }

beforeEach(() => { lately = makeLately(); });

test('the latest answer comes first, and there are ten at most', () => {
  for (let number = 0; number < 12; number += 1) lately.note({ key: String(number), label: null }, 'keep');
  assert.equal(lately.list().length, MOST);
  assert.deepEqual([shown()[0], shown().at(-1)], ['11 keep', '2 keep']);
});

test('a correction leaves a photo in its place, and an undo takes it away', () => {
  lately.take(sent('b cull', 'a keep'), new Set());
  lately.note({ key: 'a' }, 'cull');
  assert.deepEqual(shown(), ['b cull', 'a cull']);
  lately.note({ key: 'b' }, null);
  assert.deepEqual(shown(), ['a cull']);
});

test('what is under way is newer than a reply', () => {
  lately.take(sent('b cull', 'a keep'), new Set());
  lately.note({ key: 'c' }, 'keep');
  lately.note({ key: 'a' }, 'cull');
  lately.note({ key: 'b' }, null);
  lately.take(sent('b cull', 'a keep'), new Set(['a', 'b', 'c']));
  assert.deepEqual(shown(), ['c keep', 'a cull']);
  lately.take(sent('c keep', 'a cull'), new Set());
  assert.deepEqual(shown(), ['c keep', 'a cull']);
});
