import assert from 'node:assert/strict';
import { test } from 'node:test';

import { guessedSize, isEnlarged, levelClose, moved, placed, sized, toggled, zoomed } from '../../imlcull_al/ui/assets/logic/zoom.js';

// A photo of 6000 × 4000 pixels in a room of 1200 × 1000.
const LARGE = { size: [6000, 4000], fit: [0, 100, 1200, 800], room: [1200, 1000], ratio: 1 };
const SMALL = { ...LARGE, size: [600, 400] };

function shareAt([left, top, wide, high], [x, y]) { return [(x - left) / wide, (y - top) / high].map((share) => Math.round(share * 1e6) / 1e6); }

test('a click shows the pixels of the photo at the place pointed at, and another one all of it', () => {
  const view = toggled(null, [300, 500], LARGE), place = placed(view, LARGE);
  assert.deepEqual(place.slice(2), [6000, 4000]);
  assert.deepEqual(shareAt(place, [300, 500]), [0.25, 0.5]);
  assert.equal(toggled(view, [0, 0], LARGE), null);
  assert.deepEqual(placed(null, LARGE), LARGE.fit);
});

test('at 100 % a pixel of the photo is one of the screen, whatever its ratio', () => {
  const dense = { ...LARGE, ratio: 2 }, view = toggled(null, [600, 500], dense);
  assert.deepEqual([view.level, placed(view, dense).slice(2)], [1, [3000, 2000]]);
  assert.deepEqual(placed(view, LARGE).slice(2), [6000, 4000]); // the window moves to a screen of another ratio
});

test('a photo smaller than its room is enlarged to whole pixels', () => {
  assert.deepEqual([levelClose(SMALL), placed(toggled(null, [600, 500], SMALL), SMALL)], [4, [-600, -300, 2400, 1600]]);
});

test('the wheel leaves the point in its place, down to the whole photo and up to 400 %', () => {
  let view = null;
  for (const times of [1.5, 1.5, 1.2]) {
    view = zoomed(view, times, [300, 500], LARGE);
    assert.deepEqual(shareAt(placed(view, LARGE), [300, 500]), [0.25, 0.5]);
  }
  assert.equal(zoomed(view, 1000, [300, 500], LARGE).level, 4);
  assert.equal(zoomed(view, 0.1, [300, 500], LARGE), null);
});

test('a pinch takes what is between the fingers along', () => {
  const view = zoomed(toggled(null, [600, 500], LARGE), 1.5, [650, 420], LARGE, [600, 500]);
  assert.deepEqual(shareAt(placed(view, LARGE), [650, 420]), [0.5, 0.5]);
});

test('a photo is never moved out of its room', () => {
  const view = toggled(null, [600, 500], LARGE);
  assert.deepEqual(placed(moved(view, 1e6, 1e6, LARGE), LARGE).slice(0, 2), [0, 0]);
  assert.deepEqual(placed(moved(view, -1e6, -1e6, LARGE), LARGE).slice(0, 2), [-4800, -3000]);
  const [left, top] = placed(view, LARGE);
  assert.deepEqual(placed(moved(view, -40, 20, LARGE), LARGE).slice(0, 2).map(Math.round), [left - 40, top + 20]);
  assert.equal(moved(null, 10, 10, LARGE), null);
});

test('level and place stay for the next photo, and in a larger window', () => {
  const view = moved(toggled(null, [600, 500], LARGE), 500, 300, LARGE), before = shareAt(placed(view, LARGE), [600, 500]);
  const upright = { ...LARGE, size: [4000, 6000], fit: [267, 0, 667, 1000] };
  assert.deepEqual([placed(view, upright).slice(2), shareAt(placed(view, upright), [600, 500])], [[4000, 6000], before]);
  const wide = { ...LARGE, fit: [0, 0, 2100, 1400], room: [2100, 1400] };
  assert.deepEqual([placed(view, wide).slice(2), shareAt(placed(view, wide), [1050, 700])], [[6000, 4000], before]);
});

test('a photo that is too small for the level is whole, and the level waits for the next', () => {
  const view = toggled(null, [600, 500], LARGE);
  assert.deepEqual([isEnlarged(view, SMALL), placed(view, SMALL)], [false, SMALL.fit]);
  assert.equal(moved(view, 9, 9, SMALL), view);
  assert.equal(toggled(view, [600, 500], SMALL).level, 4);
});

test('before its size is known, a photo lies where it will lie: a click ends at 100 %, the wheel at the same size', () => {
  const guessed = { ...LARGE, size: [3000, 2000] }, point = [300, 500];
  const clicked = sized(toggled(null, point, guessed), LARGE.size, point, guessed);
  assert.deepEqual([clicked.level, shareAt(placed(clicked, LARGE), point)], [1, [0.25, 0.5]]);
  const wheeled = zoomed(null, 2, point, guessed);
  assert.deepEqual(placed(sized(wheeled, LARGE.size, point, guessed), LARGE), placed(wheeled, guessed));
});

test('the size behind a preview: its own if it is smaller than previews are, else that of photos seen in full', () => {
  assert.deepEqual(guessedSize([160, 120], 1600, [6000, 4000]), [160, 120]);
  assert.deepEqual(guessedSize([1066, 1600], 1600, [4500, 3000]), [2998, 4500]);
  assert.deepEqual(guessedSize([1600, 1200], 1600, null), [6000, 4500]);
});
