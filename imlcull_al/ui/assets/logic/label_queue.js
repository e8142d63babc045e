// Which photo is on screen and which come next: the history of photos viewed, and the upcoming ones of the queue.
// A photo is { key, id, p_keep, label, queue, number } from the server, with `likely` for p_keep in another task than cull,
// the likeliest classes as [number, probability]; `isOpen`: it needs an answer; `isPassed`: it was
// viewed without one. Knows nothing of the page.
const COMMITTED = 8;          // upcoming photos that keep their place when the order changes: they are decoded already
const AHEAD = 12, BEHIND = 6; // photos kept decoded
const PASSED = 500;           // keys that a request may list

export function makeQueue() {
  let history = [];  // in viewing order
  let at = -1;       // index of the photo on screen; history.length if none
  let upcoming = []; // not viewed yet
  let mine = [];     // answers and skips given here: number, photo, previous label, previous isOpen

  function current() { return history[at] || null; }
  function laterOpen() { return history.slice(at + 1).filter((photo) => photo.isOpen && !photo.isPassed); }
  function showNone() { at = history.length; }

  function show(photo) {
    const known = history.findIndex((other) => other.key === photo.key);
    if (known >= 0) at = known;
    else { history.push(photo); at = history.length - 1; }
  }

  // After an answer: the next open photo in the history, else the next in the queue.
  function advance() {
    const [later] = laterOpen();
    if (later) { show(later); return; }
    const next = upcoming.shift();
    if (!next) { showNone(); return; }
    history = history.filter((photo) => photo.key !== next.key);
    show({ ...next, isOpen: true });
  }

  return {
    current,
    show,
    showNone,
    advance,
    isFirst: () => at <= 0,
    hasNext: () => upcoming.length > 0 || laterOpen().length > 0,

    // Photos to keep decoded, most urgent first.
    near() {
      const before = history.slice(Math.max(0, at - BEHIND), Math.max(0, at)).reverse(), photo = current();
      return [...(photo ? [photo] : []), ...laterOpen().concat(upcoming).slice(0, AHEAD), ...before];
    },

    // The photo on screen and the one that an answer leads to.
    nearest: () => [current(), ...laterOpen(), ...upcoming].slice(0, 2),

    // What a request tells the server.
    describe() {
      const photo = current(), open = photo && photo.isOpen && !photo.isPassed ? [photo] : [];
      return {
        held: [...open, ...laterOpen(), ...upcoming.slice(0, COMMITTED)].map((held) => held.key),
        passed: history.filter((other) => other.isOpen && other.isPassed).slice(-PASSED).map((other) => other.key),
        current: photo && photo.key,
      };
    },

    // Take the queue from a reply, less the photos on screen, ahead in the history, and `underway`: those with a press
    // that was not acknowledged. Photos passed here come back only when no other is left.
    offer(photos, underway) {
      const seen = new Set([current(), ...laterOpen()].filter(Boolean).map((photo) => photo.key));
      const passed = new Set(history.filter((photo) => photo.isPassed && photo.isOpen).map((photo) => photo.key));
      const offered = photos.filter((photo) => !underway.has(photo.key) && !seen.has(photo.key));
      const fresh = offered.filter((photo) => !passed.has(photo.key));
      upcoming = fresh.length ? fresh : offered;
    },

    // The photo on screen was answered or, without `label`, skipped by press `number`.
    give(number, label) {
      const photo = current();
      mine.push({ number, photo, label: photo.label, isOpen: photo.isOpen });
      photo.isOpen = photo.isPassed = false;
      if (label) photo.label = label;
      advance();
    },

    // Go on without an answer; false if there is nowhere to go.
    pass() {
      const photo = current();
      if (photo.isOpen) photo.isPassed = true;
      if (at + 1 < history.length) at += 1;
      else if (upcoming.length) advance();
      else { if (photo.isOpen) photo.isPassed = false; return false; } // no other photo is left
      return true;
    },

    // Back to the photo before; false if there is none.
    back() {
      if (at <= 0) return false;
      at = Math.min(at, history.length) - 1;
      return true;
    },

    // Forget the last answer given here, and return it; undefined without one.
    takeBack: () => mine.pop(),

    // The photo of an answer that was taken back is open again. The photo now on screen comes right after it.
    reopen({ photo, label }) {
      Object.assign(photo, { label, isOpen: true, isPassed: false });
      show(photo);
    },

    // Return to the photo of a refused answer, so that no answer is dropped silently; false if it is not ours.
    refuse(number) {
      const given = mine.find((one) => one.number === number);
      if (!given) return false;
      mine = mine.filter((one) => one !== given);
      Object.assign(given.photo, { label: given.label, isOpen: given.isOpen });
      show(given.photo);
      return true;
    },

    // The photo on screen is no longer in the stage: go on without it.
    drop() {
      history.splice(at, 1);
      at -= 1;
      advance();
    },

    // Another queue was chosen: drop what was offered, keep what was answered.
    restart() {
      upcoming = [];
      history = history.filter((photo) => !photo.isOpen);
      showNone();
    },
  };
}

// Update the photo on screen after a new score or another visitor's answer; whether anything changed. The score of a spot
// check stays hidden until it is answered.
export function refresh(photo, now) {
  const isBlind = photo.queue === 'audit' && photo.isOpen, isSame = JSON.stringify(scoreOf(photo)) === JSON.stringify(scoreOf(now));
  if (photo.label === now.label && (isBlind || isSame)) return false;
  photo.label = now.label;
  if (isBlind) return true;
  if (now.p_keep !== undefined && now.p_keep !== null) photo.p_keep = now.p_keep;
  if (now.likely?.length) photo.likely = now.likely;
  return true;
}

function scoreOf({ p_keep, likely }) { return [p_keep, likely]; }
