// Which photo is on screen and which come next: the history of photos viewed, and the upcoming ones of the queue.
// A photo is { key, id, p_keep, label, queue, number } from the server, with `likely` for p_keep in another task than cull,
// the likeliest classes as [number, probability]; `isOpen`: it needs an answer; `isPassed`: it was
// viewed without one. A frame of the burst of the photo that is asked may be on screen in its place. Knows nothing of the
// page.
import { makeBursts } from './label_bursts.js';
import { makeLately } from './label_lately.js';

const COMMITTED = 8;          // upcoming photos that keep their place when the order changes: they are decoded already
const AHEAD = 12, BEHIND = 6; // photos kept decoded
const BESIDE = [1, -1, 2, -2, 3, -3]; // frames kept decoded, as steps in the burst
const PASSED = 500;           // keys that a request may list

export function makeQueue(bursts = makeBursts(), lately = makeLately()) {
  let history = [];  // in viewing order
  let at = -1;       // index of the photo that is asked; history.length if none
  let frame = null;  // of its burst, on screen in its place
  let upcoming = []; // not viewed yet
  let mine = [];     // answers and skips given here: number, photo asked, its isOpen, frame, [key, label] of each before

  function asked() { return history[at] || null; }
  function current() { return frame || asked(); }
  function laterOpen() { return history.slice(at + 1).filter((photo) => photo.isOpen && !photo.isPassed); }
  function showNone() { at = history.length; frame = null; }

  function show(photo) {
    frame = null;
    const known = history.findIndex((other) => other.key === photo.key);
    if (known >= 0) at = known;
    else { history.push(photo); at = history.length - 1; }
  }

  // Show a photo that the queue does not ask: the one that it asks comes next.
  function visit(photo) {
    if (history.some((other) => other.key === photo.key)) { show(photo); return; }
    frame = null;
    at = Math.max(0, at);
    history.splice(at, 0, photo);
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

  // Show a frame of the burst; false if there is none.
  function toFrame(next) {
    if (!next || !asked()) return false;
    frame = next.key === asked().key ? null : next;
    return true;
  }

  // A photo has this label now, wherever it is listed.
  function note(key, label) {
    const known = history.find((photo) => photo.key === key) || bursts.frame(key);
    if (known) lately.note(known, label);
    bursts.mark(key, label);
    history.filter((photo) => photo.key === key).forEach((photo) => { photo.label = label; if (label) photo.isOpen = false; });
    if (label) upcoming = upcoming.filter((photo) => photo.key !== key);
  }

  // Photos got labels by press `number`: [key, label], no label for a skip.
  function take(number, labels) {
    const photo = asked(), shown = current(), keys = labels.map(([key]) => key);
    const before = keys.map((key) => [key, key === shown.key ? shown.label : bursts.labelOf(key)]);
    mine.push({ number, photo, isOpen: photo.isOpen, frame, keys, before });
    labels.filter(([, label]) => label).forEach(([key, label]) => note(key, label));
    if (labels.some(([key]) => key === photo.key)) { photo.isOpen = photo.isPassed = false; advance(); return; }
    frame = null;
    toFrame(bursts.openAfter(shown));
  }

  function restore({ photo, frame: shown, before }, isOpen) {
    before.forEach(([key, label]) => note(key, label));
    Object.assign(photo, { isOpen, isPassed: false });
    show(photo);
    frame = shown;
  }

  return {
    current,
    asked,
    visit,
    showNone,
    advance,
    isFirst: () => at <= 0 && !frame,
    hasNext: () => upcoming.length > 0 || laterOpen().length > 0,

    // Photos to keep decoded, most urgent first.
    near() {
      const before = history.slice(Math.max(0, at - BEHIND), Math.max(0, at)).reverse(), photo = current();
      const frames = photo ? BESIDE.map((by) => bursts.beside(photo, by)).filter(Boolean) : [];
      const [next, ...later] = laterOpen().concat(upcoming).slice(0, AHEAD);
      return [photo, next, ...frames.slice(0, 2), ...later, ...(frame ? [asked()] : []), ...frames.slice(2), ...before].filter(Boolean);
    },

    // The photo on screen and the one that an answer leads to.
    nearest: () => [current(), ...laterOpen(), ...upcoming].slice(0, 2),

    // What a request tells the server.
    describe() {
      const photo = asked(), open = photo && photo.isOpen && !photo.isPassed ? [photo] : [];
      return {
        held: [...open, ...laterOpen(), ...upcoming.slice(0, COMMITTED)].map((held) => held.key),
        passed: history.filter((other) => other.isOpen && other.isPassed).slice(-PASSED).map((other) => other.key),
        current: photo && current().key,
      };
    },

    // Take the queue from a reply, less the photos on screen, ahead in the history, and `underway`: those with a press
    // that was not acknowledged. Photos passed here come back only when no other is left.
    offer(photos, underway) {
      const seen = new Set([asked(), ...laterOpen()].filter(Boolean).map((photo) => photo.key));
      const passed = new Set(history.filter((photo) => photo.isPassed && photo.isOpen).map((photo) => photo.key));
      const offered = photos.filter((photo) => !underway.has(photo.key) && !seen.has(photo.key));
      const fresh = offered.filter((photo) => !passed.has(photo.key));
      upcoming = fresh.length ? fresh : offered;
    },

    // The photo on screen was answered or, without `label`, skipped by press `number`.
    give(number, label) { take(number, [[current().key, label]]); },

    // The first of these frames of the burst on screen was kept by press `number`, the others were culled.
    giveBurst(number, [kept, ...others]) { take(number, [[kept, 'keep'], ...others.map((key) => [key, 'cull'])]); },
    burst: () => bursts.of(current()),
    step: (by) => Boolean(current()) && toFrame(bursts.beside(current(), by)),
    showFrame: (key) => toFrame(bursts.of(current())?.frames.find((other) => other.key === key)),

    // Go on without an answer; false if there is nowhere to go.
    pass() {
      const photo = asked();
      frame = null;
      if (photo.isOpen) photo.isPassed = true;
      if (at + 1 < history.length) at += 1;
      else if (upcoming.length) advance();
      else { if (photo.isOpen) photo.isPassed = false; return false; } // no other photo is left
      return true;
    },

    // Back to the photo that is asked, or to the one before; false if there is none.
    back() {
      if (frame) { frame = null; return true; }
      if (at <= 0) return false;
      at = Math.min(at, history.length) - 1;
      return true;
    },

    // Forget the last answer given here, and return it; undefined without one.
    takeBack: () => mine.pop(),

    // The photo of an answer that was taken back is open again. The photo now on screen comes right after it.
    reopen(last) { restore(last, last.isOpen || last.keys.includes(last.photo.key)); },

    // Return to the photo of a refused answer, so that no answer is dropped silently; false if it is not ours.
    refuse(number) {
      const given = mine.find((one) => one.number === number);
      if (!given) return false;
      mine = mine.filter((one) => one !== given);
      restore(given, given.isOpen);
      return true;
    },

    // The photo on screen is no longer in the stage: go on without it.
    drop() {
      if (frame) { frame = null; return; }
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
  const isBlind = isScoreHidden(photo), isSame = JSON.stringify(scoreOf(photo)) === JSON.stringify(scoreOf(now));
  if (photo.label === now.label && (isBlind || isSame)) return false;
  photo.label = now.label;
  if (isBlind) return true;
  if (now.p_keep !== undefined && now.p_keep !== null) photo.p_keep = now.p_keep;
  if (now.likely?.length) photo.likely = now.likely;
  return true;
}

// Whether a photo is shown without its score: a spot check that is open, or a frame of its burst.
export function isScoreHidden(photo) { return (photo.queue === 'audit' && photo.isOpen) || Boolean(photo.isHidden); }

function scoreOf({ p_keep, likely }) { return [p_keep, likely]; }
