import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { makeCalls } from '../../imlcull_al/ui/assets/logic/cull_calls.js';

let calls;

beforeEach(() => {
  calls = makeCalls(['a', 'b', 'c'].map((key) => ({ key, id: `id ${key}`, said: 'kept, 52%' })), 1);
});

test('it begins with the one clicked and stays within the list', () => {
  assert.deepEqual([calls.now().key, calls.place()], ['b', '2 of 3']);
  calls.move(5);
  assert.equal(calls.now().key, 'c');
  calls.move(-5);
  assert.equal(calls.now().key, 'a');
});

test('an answer shows the next photo', () => {
  calls.answer('cull', 7);
  assert.equal(calls.now().key, 'c');
  calls.move(-1);
  assert.equal(calls.now().said, 'culled by you');
});

test('answers are taken back, last first', () => {
  calls.answer('keep', 7);
  calls.answer('cull', 8);
  assert.deepEqual(calls.takeBack(), { key: 'c', number: 8 });
  assert.deepEqual(calls.takeBack(), { key: 'b', number: 7 });
  assert.deepEqual(calls.now(), { key: 'b', id: 'id b', said: 'kept, 52%' });
  assert.equal(calls.takeBack(), null);
});
