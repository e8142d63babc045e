// Frames of a burst side by side: which ones, and one zoom for all. Knows nothing of the page.
export const MOST = 4;     // frames side by side
const CLOSE = 4, CLOSEST = 8; // times the size that fits

// The frames to compare, and how many come before those that are side by side: the culled ones are left out, unless fewer
// than two others are left. `photo` is among them.
export function comparedIn({ frames }, photo) {
  const others = frames.filter(({ key, label }) => label !== 'cull' || key === photo.key);
  const list = others.length > 1 ? others : frames;
  return { list, start: clampedStart(list, list.findIndex(({ key }) => key === photo.key) - 1) };
}

// The nearest start from which the frames that are side by side are all there.
export function clampedStart(list, start) { return Math.max(0, Math.min(start, list.length - MOST)); }

// The part of each photo that is shown, one for all: `scale` times the size that fits, moved by `x` and `y` pixels.
export const WHOLE = { scale: 1, x: 0, y: 0 };

// Enlarge `times` at the point (px, py) of a pane of this size; `times` 0 toggles.
export function zoomed(view, times, [px, py], size) {
  const scale = times ? Math.max(1, Math.min(CLOSEST, view.scale * times)) : (view.scale > 1 ? 1 : CLOSE);
  const grown = scale / view.scale;
  return inside({ scale, x: px - (px - view.x) * grown, y: py - (py - view.y) * grown }, size);
}

export function moved(view, dx, dy, size) { return inside({ ...view, x: view.x + dx, y: view.y + dy }, size); }

function inside({ scale, x, y }, [width, height]) {
  const within = (at, room) => Math.min(0, Math.max(room * (1 - scale), at));
  return { scale, x: within(x, width), y: within(y, height) };
}
