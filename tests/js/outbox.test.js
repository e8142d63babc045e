import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { makeOutbox } from '../../imlcull_al/ui/assets/logic/outbox.js';
import { makeStore } from '../../imlcull_al/ui/assets/logic/press_store.js';
import { TAKEN, fakeServer, fakeStorage, settled } from './fakes.js';

const ONE = 'One answer is not saved yet; trying again.';
let server;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
  server = fakeServer();
});

// The outbox of a page in a tab with this storage; presses go out at once.
function page(storage = fakeStorage(), visitor = 'me') {
  return makeOutbox({ act: server.act, store: makeStore(() => storage), later: (work) => work(), visitor });
}

function screen(outbox) {
  const heard = { took: [], said: [], isThere: true };
  outbox.join({
    isThere: () => heard.isThere,
    took: (...outcome) => heard.took.push(outcome),
    said: (words) => heard.said.push(words),
  });
  return heard;
}

function keep(key) { return { do: 'answer', key, label: 'keep' }; }

async function wait(milliseconds) {
  mock.timers.tick(milliseconds);
  await settled();
}

test('presses go out in order, one request at a time', async () => {
  const outbox = page();
  assert.deepEqual(['a', 'b', 'c'].map((key) => outbox.add(keep(key))), [1, 2, 3]);
  assert.deepEqual(server.sent(), [[1]]);
  await server.reply(TAKEN);
  assert.deepEqual(server.sent(), [[1], [2, 3]]);
  assert.deepEqual(server.requests[0], {
    screen: 'presses', stage: 'stage_1', project: 'p', visitor: 'me', presses: [{ number: 1, ...keep('a') }],
  });
  await server.reply(TAKEN);
  assert.deepEqual(outbox.pending(), []);
});

test('a failed request is sent again, ever more slowly, until it is acknowledged', async () => {
  const outbox = page();
  outbox.add(keep('a'));
  for (const pause of [500, 1000, 2000, 2000]) {
    await server.fail();
    const count = server.requests.length;
    await wait(pause - 1);
    assert.equal(server.requests.length, count);
    await wait(1);
    assert.equal(server.requests.length, count + 1);
  }
  await server.reply(TAKEN);
  assert.deepEqual(server.sent(), [[1], [1], [1], [1], [1]]);
  assert.deepEqual(outbox.pending(), []);
});

test('what is pressed meanwhile follows in order', async () => {
  const outbox = page();
  outbox.add(keep('a'));
  await server.fail();
  outbox.add(keep('b'));
  assert.deepEqual(server.sent(), [[1]]);
  await wait(500);
  assert.deepEqual(server.sent(), [[1], [1, 2]]);
});

test('once the network is back it waits no longer', async () => {
  const outbox = page();
  outbox.add(keep('a'));
  await server.fail();
  outbox.resume();
  await settled();
  assert.deepEqual(server.sent(), [[1], [1]]);
});

test('it says what is not saved, and that it is saved again, for five seconds', async () => {
  const outbox = page(), heard = screen(outbox);
  outbox.add(keep('a'));
  assert.deepEqual(outbox.words(), { error: '', saved: '' });
  await server.fail(Object.assign(new Error('The disk is full.'), { status: 507 }));
  assert.equal(outbox.words().error, `${ONE} The disk is full.`);
  outbox.add({ do: 'answer', keys: ['b', 'c'], label: 'cull' });
  assert.equal(heard.said.at(-1).error, '3 answers are not saved yet; trying again. The disk is full.');
  await wait(500);
  await server.reply(TAKEN);
  assert.deepEqual(heard.said.at(-1), { error: '', saved: 'All answers are saved.' });
  await wait(4999);
  assert.equal(outbox.words().saved, 'All answers are saved.');
  await wait(1);
  assert.deepEqual(heard.said.at(-1), { error: '', saved: '' });
});

test('what is saved at once is not worth a word, then or later', async () => {
  const outbox = page(), heard = screen(outbox);
  outbox.add(keep('a'));
  await server.reply(TAKEN);
  await wait(10_000);
  assert.deepEqual([outbox.isFailing(), new Set(heard.said.map((words) => words.error + words.saved))], [false, new Set([''])]);
});

test('after a success the next failure is retried as soon as the first', async () => {
  const outbox = page(), heard = screen(outbox);
  outbox.add(keep('a'));
  await server.fail();
  await wait(500);
  await server.fail();
  await wait(1000);
  await server.reply(TAKEN);
  outbox.add(keep('b'));
  await server.fail();
  assert.equal(heard.said.at(-1).error, ONE);
  await wait(500);
  assert.deepEqual(server.sent(), [[1], [1], [1], [2], [2]]);
});

test('pages of proxies and errors of browsers are not quoted', async () => {
  const outbox = page();
  outbox.add(keep('a'));
  await server.fail(Object.assign(new Error('<html>Bad gateway</html>'), { status: 502 }));
  assert.equal(outbox.words().error, ONE);
  await wait(500);
  await server.fail(new TypeError('Failed to fetch'));
  assert.equal(outbox.words().error, ONE);
});

test('a request that takes long is said too', async () => {
  const outbox = page();
  outbox.add(keep('a'));
  await wait(2999);
  assert.deepEqual([outbox.isFailing(), outbox.words().error], [false, '']);
  await wait(1);
  assert.deepEqual([outbox.isFailing(), outbox.words().error], [true, ONE]);
  await server.reply(TAKEN);
  assert.deepEqual([outbox.isFailing(), outbox.words()], [false, { error: '', saved: 'All answers are saved.' }]);
});

test('a reply that is no list of outcomes is an error like any other', async () => {
  const outbox = page();
  outbox.add(keep('a'));
  await server.reply({ error: 'The server is busy.' });
  assert.equal(outbox.words().error, `${ONE} The server is busy.`);
  assert.equal(outbox.pending().length, 1);
});

test('after a reload, leftovers are sent first, under their own visitor', async () => {
  const storage = fakeStorage();
  const before = page(storage, 'before');
  before.add(keep('a'));
  before.add(keep('b'));
  server = fakeServer({ stage: 'stage_2', project: 'p' });
  const after = page(storage, 'after');
  after.add(keep('c'));
  await server.reply(TAKEN);
  await server.reply(TAKEN);
  assert.deepEqual(
    server.requests.map(({ visitor, stage, presses }) => [visitor, stage, presses.map(({ number, key }) => [number, key])]),
    [['before', 'stage_1', [[1, 'a'], [2, 'b']]], ['after', 'stage_2', [[1, 'c']]]]);
  assert.deepEqual(Object.keys(storage), []);
  assert.equal(after.words().saved, 'All answers are saved.');
});

test('a page hears only of its own presses', async () => {
  const storage = fakeStorage();
  page(storage, 'before').add(keep('a'));
  server = fakeServer();
  const heard = screen(page(storage, 'after'));
  await server.reply({ refused: [{ number: 1, error: 'No.' }], undone: [] });
  assert.deepEqual(heard.took, [[[], [], []]]);
});

test('a copied tab sends what it copied under the same visitor and numbers', async () => {
  const storage = fakeStorage();
  const one = page(storage, 'one');
  one.add(keep('a'));
  one.add(keep('b'));
  const first = server;
  server = fakeServer();
  const copied = fakeStorage({ ...storage });
  const two = page(copied, 'two');
  two.add(keep('c'));
  await server.reply(TAKEN);
  await server.reply(TAKEN);
  await first.reply(TAKEN);
  await first.reply(TAKEN);
  assert.deepEqual(first.requests.map(({ visitor }) => visitor), ['one', 'one']);
  assert.deepEqual(first.sent(), [[1], [2]]);
  assert.deepEqual(server.requests.map(({ visitor }) => visitor), ['one', 'two']);
  assert.deepEqual(server.sent(), [[1, 2], [1]]);
  assert.deepEqual([Object.keys(storage), Object.keys(copied)], [[], []]);
});

test('a stored press stays until it is acknowledged', async () => {
  const storage = fakeStorage(), outbox = page(storage);
  outbox.add(keep('a'));
  outbox.add(keep('b'));
  assert.deepEqual(Object.keys(storage), ['imlcull press 000000001', 'imlcull press 000000002']);
  assert.deepEqual(JSON.parse(storage['imlcull press 000000002']), {
    visitor: 'me', about: { stage: 'stage_1', project: 'p' }, press: { number: 2, ...keep('b') },
  });
  await server.fail();
  assert.equal(Object.keys(storage).length, 2);
  await wait(500);
  await server.reply(TAKEN);
  assert.deepEqual(Object.keys(storage), []);
});

test('without storage it still sends, but a reload is at risk', async () => {
  const disabled = { act: server.act, store: makeStore(() => { throw new Error('denied'); }), later: (work) => work() };
  const outbox = makeOutbox({ ...disabled, visitor: 'me' });
  outbox.add(keep('a'));
  await server.fail();
  assert.equal(outbox.isAtRisk(true), true);
  await wait(500);
  await server.reply(TAKEN);
  assert.deepEqual([outbox.pending(), outbox.isAtRisk(true)], [[], false]);
});

test('closing is at risk while sending fails; a reload by the page itself is not', async () => {
  const outbox = page();
  outbox.add(keep('a'));
  assert.deepEqual([outbox.isAtRisk(false), outbox.isAtRisk(true)], [false, false]);
  await server.fail();
  assert.deepEqual([outbox.isAtRisk(false), outbox.isAtRisk(true)], [true, false]);
  assert.deepEqual(outbox.lastWords().map((body) => JSON.parse(body)), [
    { stage: 'stage_1', project: 'p', visitor: 'me', presses: [{ number: 1, ...keep('a') }] },
  ]);
});

test('closing is at risk with more than a beacon can carry', () => {
  const outbox = page();
  outbox.add({ do: 'answer', keys: ['x'.repeat(60_000)], label: 'keep' });
  assert.equal(outbox.isAtRisk(false), true);
  assert.deepEqual(outbox.lastWords(), []);
});

test('a refusal is said until the next press is taken, and the undo of a refused press is dropped', async () => {
  const storage = fakeStorage(), outbox = page(storage), heard = screen(outbox);
  outbox.add(keep('a'));
  outbox.add({ do: 'undo', key: 'a', of: 1 });
  outbox.add(keep('b'));
  await server.reply({ refused: [{ number: 1, error: 'neither keep nor cull' }], undone: [] });
  assert.deepEqual(heard.took, [[[1], [1, 2], []]]);
  assert.equal(outbox.words().error, 'neither keep nor cull');
  assert.deepEqual(server.sent(), [[1], [3]]);
  await server.reply(TAKEN);
  assert.equal(outbox.words().error, '');
  assert.deepEqual(Object.keys(storage), []);
});

test('answers for another project are kept for it, and said', async () => {
  const storage = fakeStorage(), outbox = page(storage), heard = screen(outbox);
  outbox.add({ do: 'answer', keys: ['a', 'b'], label: 'keep' });
  await server.reply({ elsewhere: true, error: 'This page shows another project.' });
  assert.equal(outbox.words().error, '2 answers are not saved: This page shows another project. '
    + 'This tab keeps them and sends them again when you reload it.');
  assert.deepEqual(heard.took, [[[1], [1], []]]);
  assert.deepEqual([outbox.pending(), Object.keys(storage).length], [[], 1]);
  server = fakeServer();
  page(storage, 'later');
  assert.deepEqual(server.sent(), [[1]]);
});

for (const status of [400, 413]) {
  test(`a press answered with ${status} is set aside, because no retry will help`, async () => {
    const outbox = page();
    outbox.add(keep('a'));
    await server.fail(Object.assign(new Error('Invalid request.'), { status }));
    assert.equal(outbox.isFailing(), false);
    assert.match(outbox.words().error, /^One answer is not saved: Invalid request\. /);
  });
}

test('a read comes after the presses before it, and goes on while sending fails', async () => {
  const outbox = page(), read = [];
  outbox.add(keep('a'));
  outbox.read(async () => { read.push(server.sent().length); });
  assert.deepEqual(read, []);
  await server.reply(TAKEN);
  assert.deepEqual(read, [1]);
  outbox.add(keep('b'));
  outbox.read(async () => { read.push('later'); });
  await server.fail();
  assert.deepEqual(read, [1, 'later']);
  assert.equal(outbox.pending().length, 1);
});

test('a screen that left the page hears nothing more', async () => {
  const outbox = page(), gone = screen(outbox), there = screen(outbox);
  gone.isThere = false;
  outbox.add(keep('a'));
  await server.reply(TAKEN);
  assert.deepEqual([gone.took.length, there.took.length], [0, 1]);
});

test('every page has a random visitor id of version 4', () => {
  const made = [1, 2].map(() => makeOutbox({ act: server.act, store: makeStore(() => fakeStorage()), later: () => {} }).visitor);
  for (const visitor of made) assert.match(visitor, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual(made[0], made[1]);
});
