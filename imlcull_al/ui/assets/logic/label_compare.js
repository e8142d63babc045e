// Frames of a burst side by side: which ones. Knows nothing of the page.
export const MOST = 4; // frames side by side

// The frames to compare, and how many come before those that are side by side: the culled ones are left out, unless fewer
// than two others are left. `photo` is among them.
export function comparedIn({ frames }, photo) {
  const others = frames.filter(({ key, label }) => label !== 'cull' || key === photo.key);
  const list = others.length > 1 ? others : frames;
  return { list, start: clampedStart(list, list.findIndex(({ key }) => key === photo.key) - 1) };
}

// The nearest start from which the frames that are side by side are all there.
export function clampedStart(list, start) { return Math.max(0, Math.min(start, list.length - MOST)); }
