import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  howSure, isScored, spokenAnswer, spokenExposure, spokenLikeness, spokenScore,
} from '../../imlcull_al/ui/assets/logic/label_words.js';

test('a score, or nothing without one', () => {
  assert.deepEqual([{ p_keep: 0.826 }, { p_keep: 0 }, { p_keep: null }, {}, null].map(spokenScore),
    ['Score: 83% keep', 'Score: 0% keep', '', '', '']);
  assert.deepEqual([{ p_keep: 0 }, { p_keep: null }, null].map(isScored), [true, false, false]);
});

test('how sure a score is', () => {
  assert.deepEqual([0, 0.15, 0.25, 0.45, 0.5, 0.55, 0.75, 0.85, null].map((score) => howSure({ p_keep: score })), [
    'very likely cull', 'very likely cull', 'likely cull', 'a toss-up', 'a toss-up', 'a toss-up', 'likely keep', 'very likely keep', '',
  ]);
});

test('the answer, a spot check, a disagreement', () => {
  const said = (photo) => spokenAnswer({ queue: 'uncertain', p_keep: null, label: null, ...photo });
  assert.equal(spokenAnswer(null), '');
  assert.equal(said({}), '');
  assert.equal(said({ label: 'keep' }), 'Your answer: keep');
  assert.equal(said({ queue: 'audit', isOpen: true }), 'Spot check: score hidden, your answer tests the model.');
  assert.equal(said({ queue: 'audit', label: 'cull' }), 'Your answer: cull');
  const queue = 'disagreements';
  assert.equal(said({ queue, label: 'keep', p_keep: 0.1 }), 'You said keep. Keep confirms it, cull changes it.');
  assert.equal(said({ queue, label: 'cull', p_keep: 0.5 }), 'You said cull. Cull confirms it, keep changes it.');
  assert.equal(said({ queue, label: 'keep', p_keep: 0.5 }), 'Your answer: keep');
  assert.equal(said({ queue, label: 'keep' }), 'Your answer: keep');
});

test('exposure, and what is shown, of what is known', () => {
  const facts = {
    shutter: '1/250 s', aperture: 'f/2.8', ISO: 400, 'focal length': '50 mm',
    camera: 'Nikon Z 6', lens: '50 mm', taken: '2025:05:17 09:30:12',
  };
  assert.equal(spokenExposure(facts), '1/250 s · f/2.8 · ISO 400 · 50 mm\nNikon Z 6 · 50 mm · 2025-05-17 09:30');
  assert.equal(spokenExposure({ camera: 'Nikon Z 6', taken: 'yesterday' }), 'Nikon Z 6');
  assert.equal(spokenExposure({}), '');
  assert.equal(
    spokenExposure({ camera: 'Z 6', shown: 'embedded JPEG, 6048 × 4024', damaged: 'its end is missing' }),
    'Z 6\nDamaged: its end is missing · Shown: embedded JPEG, 6048 × 4024',
  );
});

test('a similar photo', () => {
  assert.equal(spokenLikeness({ key: 'a.jpg', label: 'keep', similarity: 0.876 }), 'a.jpg: keep, 88% similar');
});
