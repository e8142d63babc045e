// The zoom of every view that shows a photo large. A view is { level, middle }: `level` screen pixels for one pixel of the
// photo, and the point of the photo in the middle of the room, as shares of its sides; null while the photo is whole. It
// fits the next photo, another window and another screen. `isClose`: the level is the one that a click goes to.
// A frame is { size, fit, room, ratio }: `size` of the photo in its pixels; `fit`, its rectangle while it is whole, and
// `room` in CSS pixels; `ratio` screen pixels for each of those. Knows nothing of the page.
import { clamped, enlarged } from './fitting.js';

const CLOSEST = 4;  // screen pixels for one pixel of the photo, at most; twice a click's level where that is more
const LARGEST = 6000; // longer side of a photo in full size, see serving.FULL
const SMALL = 0.7;    // of a photo's pixels, when 100 % would enlarge it by little
const NEARLY = 1.02;  // times the size that fits: as good as whole

// The level at which the photo is whole.
export function levelWhole({ size, fit, ratio }) { return fit[2] * ratio / size[0]; }

// The level that a click goes to: 100 %, or of a photo that is about as small as its room, whole pixels at twice its size.
export function levelClose(frame) {
  const whole = levelWhole(frame);
  return whole < SMALL ? 1 : Math.ceil(whole * 2);
}

// Whether the photo is larger than whole: one that follows may be too small for the level.
export function isEnlarged(view, frame) { return Boolean(view) && view.level > levelWhole(frame) * NEARLY; }

// The rectangle of the photo in its room, in CSS pixels.
export function placed(view, frame) {
  if (!isEnlarged(view, frame)) return frame.fit;
  const [wide, high] = sizeAt(view.level, frame);
  const [left, top] = [wide, high].map((length, axis) => clamped(frame.room[axis] / 2 - view.middle[axis] * length, length, frame.room[axis]));
  return [left, top, wide, high];
}

// Enlarge `times` so that what is at `from` in the room comes to `point`: it stays where it is, or moves with a pinch.
export function zoomed(view, times, point, frame, from = point) {
  const now = isEnlarged(view, frame) ? view.level : levelWhole(frame);
  return leveled(view, Math.min(now * times, Math.max(now, CLOSEST, 2 * levelClose(frame))), point, frame, from);
}

// What a click at `point` does: close, or whole again.
export function toggled(view, point, frame) {
  return isEnlarged(view, frame) ? null : { ...leveled(null, levelClose(frame), point, frame), isClose: true };
}

export function moved(view, dx, dy, frame) {
  if (!isEnlarged(view, frame)) return view;
  const [left, top, ...lengths] = placed(view, frame);
  return { ...view, middle: middleOf([left + dx, top + dy], lengths, frame) };
}

// The view once the size of the photo is known that was guessed in `frame`: as large on the screen as before, unless it is
// the level of a click. `point` of the room stays where it is.
export function sized(view, size, point, frame) {
  const seen = { ...frame, size }, from = { ...view, level: view.level * frame.size[0] / size[0] };
  return view.isClose ? { ...leveled(from, levelClose(seen), point, seen), isClose: true } : from;
}

// The size of a photo of which only a preview of this size is there. `largest`: longer side of a preview; `known`: size of
// a photo that was seen in full.
export function guessedSize(preview, largest, known) {
  const longer = Math.max(...preview);
  return longer < largest ? preview : preview.map((length) => Math.round(length * Math.max(...(known || [LARGEST])) / longer));
}

function leveled(view, level, point, frame, from = point) {
  const before = placed(view, frame), lengths = sizeAt(level, frame);
  if (level <= levelWhole(frame) * NEARLY) return null;
  const corner = [0, 1].map((axis) => enlarged(from[axis], before[axis], before[axis + 2], lengths[axis]) + point[axis] - from[axis]);
  return { level, middle: middleOf(corner, lengths, frame) };
}

function sizeAt(level, { size, ratio }) { return size.map((length) => length * level / ratio); }

function middleOf(corner, lengths, { room }) {
  return [0, 1].map((axis) => (room[axis] / 2 - clamped(corner[axis], lengths[axis], room[axis])) / lengths[axis]);
}
