import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { makeAct } from '../../imlcull_al/ui/assets/logic/act.js';
import { settled } from './fakes.js';

let sent, replies, reloads, opened, isIdle, act;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
  [sent, replies, reloads, opened, isIdle] = [[], [], 0, [], true];
  mock.method(globalThis, 'fetch', async (url, { method, body }) => {
    sent.push([url, method, JSON.parse(body)]);
    return replies.shift();
  });
  act = makeAct(() => isIdle, () => { reloads += 1; }, (here) => opened.push({ ...here }));
});

function answers(...values) {
  replies.push(...values.map((value) => new Response(JSON.stringify({ error: '', ...value }))));
}

async function tick() { mock.timers.tick(300); await settled(); }

test('after the first reply, every request names its stage and project', async () => {
  answers({ now: 'stage_1', project: 'p' }, { now: 'stage_1', project: 'p', more: 7 });
  await act('label', { do: 'look' });
  assert.deepEqual(act.here(), { stage: 'stage_1', project: 'p' });
  assert.deepEqual((await act('review', { do: 'look' })).more, 7);
  assert.deepEqual(sent, [
    ['act/label', 'POST', { do: 'look' }], ['act/review', 'POST', { stage: 'stage_1', project: 'p', do: 'look' }],
  ]);
  assert.deepEqual(opened, [{ stage: 'stage_1', project: 'p' }]);
  await tick();
  assert.equal(reloads, 0);
});

test('an older stage of a leftover press wins over that of the page', async () => {
  answers({ now: 'stage_2', project: 'p' }, { now: 'stage_2', project: 'p' });
  await act('label', {});
  await act('presses', { stage: 'stage_1' });
  assert.deepEqual(sent[1][2], { stage: 'stage_1', project: 'p' });
});

test('the page reloads once another stage or project is open and nothing is in flight', async () => {
  for (const moved of [{ now: 'stage_2', project: 'p' }, { now: 'stage_1', project: 'q' }]) {
    act = makeAct(() => isIdle, () => { reloads += 1; }, (here) => opened.push({ ...here }));
    answers({ now: 'stage_1', project: 'p' }, moved);
    await act('label', {});
    reloads = 0;
    await act('label', {});
    mock.timers.tick(299);
    assert.equal(reloads, 0);
    mock.timers.tick(1);
    assert.equal(reloads, 1);
  }
});

test('it reloads once, though requests end shortly after each other', async () => {
  answers({ now: 'stage_1', project: 'p' }, { now: 'stage_2', project: 'p' }, { now: 'stage_2', project: 'p' });
  await act('label', {});
  await act('label', {});
  mock.timers.tick(100);
  await act('review', {});
  mock.timers.tick(1000);
  assert.equal(reloads, 1);
});

test('it does not reload over presses or requests under way', async () => {
  answers({ now: 'stage_1', project: 'p' }, { now: 'stage_2', project: 'p' });
  isIdle = false;
  await act('label', {});
  await act('label', {});
  await tick();
  assert.equal(reloads, 0);
  isIdle = true;
  let arrive;
  replies.push(new Promise((resolve) => { arrive = resolve; }));
  const under_way = act('label', {});
  await tick();
  assert.equal(reloads, 0);
  arrive(new Response(JSON.stringify({ now: 'stage_2', project: 'p' })));
  await under_way;
  await tick();
  assert.equal(reloads, 1);
});

test('a refusal rejects with its words and status', async () => {
  replies.push(new Response('Too many requests.', { status: 429 }));
  await assert.rejects(act('label', {}), { message: 'Too many requests.', status: 429 });
});
