import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { asPercent, makeAim } from '../../imlcull_al/ui/assets/logic/aims.js';

let stored, told, threshold;

beforeEach(() => {
  [stored, told] = [new Map(), []];
  threshold = makeAim('threshold', 50, (name) => stored.get(name) ?? null, (name, value) => stored.set(name, value));
  threshold.follow(() => true, (percent) => told.push(percent));
});

test('whole per cent, or nothing', () => {
  assert.deepEqual(['0', '100', 29.4, '37.6', null, '', '-1', '101', 'nonsense'].map(asPercent),
    [0, 100, 29, 38, null, null, null, null, null]);
});

test('a change is told once and kept for the stage', () => {
  threshold.open({ project: 'p', stage: 'stage_1' });
  assert.deepEqual([threshold.percent(), told], [50, []]);
  threshold.set('37');
  threshold.set(37);
  threshold.set('');
  assert.deepEqual([threshold.percent(), threshold.share(), told], [37, 0.37, [37]]);
  assert.deepEqual([...stored], [['imlcull threshold p stage_1', '37']]);
});

test('the first reply brings the threshold of its stage', () => {
  stored.set('imlcull threshold p stage_2', '61').set('imlcull threshold p stage_1', '7');
  threshold.open({ project: 'p', stage: 'stage_2' });
  assert.deepEqual([threshold.percent(), told], [61, [61]]);
});

test('nonsense in the storage is not taken', () => {
  stored.set('imlcull threshold p stage_1', 'nonsense');
  threshold.open({ project: 'p', stage: 'stage_1' });
  assert.equal(threshold.percent(), 50);
});

test('what has gone from the page is told nothing', () => {
  let isThere = true;
  const here = [];
  threshold.follow(() => isThere, (percent) => here.push(percent));
  threshold.set(10);
  isThere = false;
  threshold.set(20);
  assert.deepEqual([here, told], [[10], [10, 20]]);
});
