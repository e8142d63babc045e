import assert from 'node:assert/strict';
import { test } from 'node:test';

import { makeStore } from '../../imlcull_al/ui/assets/logic/press_store.js';
import { fakeStorage } from './fakes.js';

test('entries come back in the order they were kept, and new ones follow', () => {
  const storage = fakeStorage({ 'imlcull tab': 'Label', 'imlcull press 000000010': '{"n":10}', 'imlcull press 000000009': '{"n":9}' });
  const store = makeStore(() => storage);
  assert.deepEqual(store.restored(), [
    { n: 9, place: 'imlcull press 000000009', isKept: true }, { n: 10, place: 'imlcull press 000000010', isKept: true },
  ]);
  const kept = store.keep({ n: 11 });
  assert.deepEqual([kept.place, storage[kept.place]], ['imlcull press 000000011', '{"n":11}']);
  store.forget(kept);
  assert.deepEqual(Object.keys(storage), ['imlcull tab', 'imlcull press 000000010', 'imlcull press 000000009']);
});

test('a full storage keeps nothing, and forgets nothing of another entry', () => {
  const storage = fakeStorage();
  Object.getPrototypeOf(storage).setItem = () => { throw new Error('full'); };
  const store = makeStore(() => storage), entry = store.keep({ n: 1 });
  assert.deepEqual(entry, { n: 1, place: 'imlcull press 000000001', isKept: false });
  storage[entry.place] = 'somebody else';
  store.forget(entry);
  assert.equal(storage[entry.place], 'somebody else');
});

test('what is no entry is left alone', () => {
  assert.deepEqual(makeStore(() => fakeStorage({ 'imlcull press 000000001': 'nonsense' })).restored(), []);
});
