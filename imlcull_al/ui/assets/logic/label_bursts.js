// The bursts of the photos on screen and of those that come next: { frames, sharpest, bracket, blind } from the server,
// frames in time order. A frame is a photo as in label_queue.js; it is `isHidden` while its score may not be shown. It
// stays the same object for as long as the page lives. Knows nothing of the page.

export function makeBursts() {
  const frames = new Map(); // key → frame
  const bursts = new Map(); // key → its burst

  function taken(sent, isBlind, isUnderway) {
    const frame = frames.get(sent.key) || { ...sent }, label = isUnderway ? frame.label : sent.label;
    frames.set(sent.key, frame);
    return Object.assign(frame, sent, { label, isOpen: !label, isHidden: isBlind });
  }

  return {
    // `underway`: keys with a press that was not acknowledged: what is known here is newer.
    take(sent, underway) {
      for (const burst of sent) {
        const made = { ...burst, frames: burst.frames.map((frame) => taken(frame, burst.blind, underway.has(frame.key))) };
        made.frames.forEach(({ key }) => bursts.set(key, made));
      }
    },
    // The burst of a photo; null if it has none.
    of: (photo) => (photo && bursts.get(photo.key)) || null,
    // The frame `by` frames after a photo; undefined if there is none.
    beside: (photo, by) => bursts.get(photo.key)?.frames[place(bursts.get(photo.key), photo) + by],
    // The next frame after a photo that has no answer.
    openAfter: (photo) => bursts.get(photo.key)?.frames.slice(place(bursts.get(photo.key), photo) + 1).find(({ label }) => !label),
    frame: (key) => frames.get(key),
    labelOf: (key) => frames.get(key)?.label ?? null,
    mark(key, label) { if (frames.has(key)) Object.assign(frames.get(key), { label, isOpen: !label }); },
  };
}

function place({ frames }, photo) { return frames.findIndex(({ key }) => key === photo.key); }

// The keys of an answer to the whole burst: the photo to keep, then those to cull; null if none is to be culled. Frames of
// a bracket are no alternatives.
export function wholeBurst(burst, photo) {
  if (!burst || burst.bracket) return null;
  const others = burst.frames.filter(({ key, label }) => key !== photo.key && !label);
  return others.length ? [photo.key, ...others.map(({ key }) => key)] : null;
}

// What the button for that says.
export function spokenWhole(keys) {
  if (!keys) return '';
  return keys.length === 2 ? 'Keep this, cull the other' : `Keep this, cull the other ${keys.length - 1}`;
}

// What is written below a frame: its answer as a mark, and its score.
export function captionOf({ label, p_keep }) {
  const mark = { keep: '✓', cull: '✕' }[label] ?? label, score = typeof p_keep === 'number' && `${Math.round(p_keep * 100)}%`;
  return [mark, score].filter(Boolean).join(' ');
}

// A frame for people who don't see it. `label`: its answer in words.
export function spokenFrame({ key, p_keep }, label, isSharpest) {
  const score = typeof p_keep === 'number' && `${Math.round(p_keep * 100)}% keep`;
  return [key, label || 'no answer', score, isSharpest && 'sharpest'].filter(Boolean).join(', ');
}
