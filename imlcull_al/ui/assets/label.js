// The Label screen. `element` is its HTML; `act` (act.js) calls label.respond; answers go into the `outbox` (outbox.js).
const find = (name) => element.querySelector('.' + name);
const say = (name, text) => { if (find(name).textContent !== (text || '')) find(name).textContent = text || ''; };
const KEYS = { k: 'keep', p: 'keep', arrowright: 'keep', c: 'cull', x: 'cull', arrowleft: 'cull' };
const ACTIONS = { u: 'undo', s: 'skip', z: 'zoom', m: 'map', ' ': 'next', arrowdown: 'next', arrowup: 'previous', '?': 'help', '/': 'search' };
const COMMITTED = 8;   // upcoming photos that keep their place when the order changes: they are decoded already
const AHEAD = 12, BEHIND = 6; // photos kept decoded
const REST = 250;      // milliseconds a photo stays on screen before its details are fetched
const SWIPE = 70;      // pixels
const stage = find('stage'), choice = find('queue select'), searching = find('search input'), help = find('help');

// A photo: key, id, p_keep, label, queue, number, from the server; `isOpen`: needs an answer; `isPassed`: viewed without one.
let history = [];      // photos in viewing order
let at = -1;           // index of the photo on screen; history.length if none
let upcoming = [];     // photos not viewed yet
let mine = [];         // answers and skips given here: number, photo, previous label, previous isOpen
let waiting = [];      // presses queued until the photo they are for is painted
let missed = 0;        // answers ignored because no photo was on screen
let isPainted = false; // the photo on screen has been painted
let isAsking = false;  // the next reply decides what to show
let isLooking = false; // a look is queued
let lookError = '', isAway = false;    // error of the last look; whether the server did not respond
let nothing = '';      // why the queue is empty
let trouble = '';      // any other error, shown until the next answer
let pointer = null;    // its position on the stage
let drag = null;
let resting = 0, typing = 0;

const map = makeMap({
  wanted: mapped, legend: find('legend'), news: find('map-news'), button: element.querySelector('[data-do=map]'),
  redraw: () => picture.again(),
});
const picture = makePicture(stage, find('photo'), drawn, map.of);
const zoom = makeZoom(stage, find('pixels'), find('badge'));

function current() { return history[at] || null; }
function isHere() { return element.offsetParent !== null && !document.hidden; }

// --- which photo

function laterOpen() { return history.slice(at + 1).filter((photo) => photo.isOpen && !photo.isPassed); }

function show(photo) {
  const known = history.findIndex((other) => other.key === photo.key);
  if (known >= 0) at = known;
  else { history.push(photo); at = history.length - 1; }
  display();
}

function showNone() { at = history.length; display(); }

// After an answer: the next open photo in the history, else the next in the queue.
function advance() {
  const [later] = laterOpen();
  if (later) { show(later); return; }
  const next = upcoming.shift();
  if (!next) { showNone(); return; }
  history = history.filter((photo) => photo.key !== next.key);
  at = history.length;
  show({ ...next, isOpen: true });
}

function display() {
  isPainted = false;
  zoom.end();
  swing(0);
  const photo = current();
  picture.show(photo);
  describePhoto(photo);
  clearTimeout(resting);
  if (!photo) sayNothing();
  afterPaint(() => { prefetch(); drawRest(photo); });
}

function prefetch() {
  const before = history.slice(Math.max(0, at - BEHIND), Math.max(0, at)).reverse();
  const photo = current();
  picture.want([...(photo ? [photo] : []), ...laterOpen().concat(upcoming).slice(0, AHEAD), ...before]);
}

// The photo on screen, once painted, and the next one, so that its map can be prefetched.
function mapped() { return isPainted && isHere() ? [current(), ...laterOpen(), ...upcoming].slice(0, 2) : []; }

function drawn(photo, isFailed) {
  say('nothing', isFailed ? 'This photo could not be loaded. Retrying; keys are ignored until then.' : '');
  element.dispatchEvent(new CustomEvent('drawn', { detail: photo.key, bubbles: true }));
  requestAnimationFrame(() => {
    if (current() !== photo || isPainted) return;
    isPainted = true;
    drain();
    map.rest(REST);
  });
}

// --- requests and replies

function describe() {
  const photo = current();
  const open = photo && photo.isOpen && !photo.isPassed ? [photo] : [];
  return {
    queue: choice.value,
    held: [...open, ...laterOpen(), ...upcoming.slice(0, COMMITTED)].map((held) => held.key),
    passed: history.filter((other) => other.isOpen && other.isPassed).slice(-500).map((other) => other.key),
    current: photo && photo.key,
  };
}

// Fetch the queue, after all earlier presses were delivered. One request at a time.
function look() {
  if (isLooking) return;
  isLooking = true;
  outbox.read(async () => {
    isLooking = false;
    const reply = await act('label', { do: 'look', visitor: outbox.visitor, ...describe() }).catch(() => null);
    isAway = !reply;
    lookError = reply ? reply.error : 'The app is not responding; trying again.';
    if (reply && reply.upcoming) arrange(reply);
    tell();
    prefetch();
  });
}

function arrange(reply) {
  const underway = new Set(outbox.pending().flatMap((press) => press.keys || [press.key]));
  const seen = new Set([current(), ...laterOpen()].filter(Boolean).map((photo) => photo.key));
  const passed = new Set(history.filter((photo) => photo.isPassed && photo.isOpen).map((photo) => photo.key));
  const isOfQueue = reply.queue === choice.value; // else the queue was switched, and another reply is coming
  const offered = reply.upcoming.filter((photo) => isOfQueue && !underway.has(photo.key) && !seen.has(photo.key));
  const fresh = offered.filter((photo) => !passed.has(photo.key));
  upcoming = fresh.length ? fresh : offered;
  say('counts', reply.counts);
  say('visitors', reply.visitors);
  ['news', 'notice'].forEach((name) => { say(name, reply[name]); find(name).title = reply[name]; });
  say('advice', reply.advice);
  say('promise', reply.promise);
  find('unlike').hidden = !reply.offer_unlike;
  find('track i').style.transform = `scaleX(${reply.photos ? reply.labeled / reply.photos : 0})`;
  const photo = current();
  if (photo && reply.current && reply.current.key === photo.key && !underway.has(photo.key)) refresh(photo, reply.current);
  isAsking = false;
  if (!photo && (upcoming.length || laterOpen().length)) advance();
  nothing = reply.nothing;
  if (!current()) sayNothing();
  drain();
}

function sayNothing() {
  const isCutOff = isAway || outbox.isFailing();
  say('nothing', isCutOff ? 'No more photos are loaded, and the app is not responding. Keys are ignored until it does.' : nothing || 'Loading');
}

// Update the photo on screen after a new score or another visitor's answer.
function refresh(photo, now) {
  const isBlind = photo.queue === 'audit' && photo.isOpen;
  if (photo.label === now.label && (isBlind || photo.p_keep === now.p_keep)) return;
  photo.label = now.label;
  if (!isBlind && now.p_keep !== null) photo.p_keep = now.p_keep;
  describeAgain(photo);
}

function describeAgain(photo) {
  const exposure = find('exposure').textContent, likes = [...element.querySelectorAll('.likes')].map((row) => [...row.children]);
  describePhoto(photo);
  say('exposure', exposure);
  element.querySelectorAll('.likes').forEach((row, place) => row.replaceChildren(...likes[place]));
}

// Outcome of presses: numbers delivered, numbers refused, and the keys that were undone.
function took(arrived, refused, undone) {
  refused.forEach(notTaken);
  const [last] = undone.flatMap(({ keys }) => keys);
  if (isAsking && last !== undefined) jump(last, true);
  look();
}

// Return to the photo of a refused answer, so that no answer is dropped silently.
function notTaken(number) {
  isAsking = false;
  const given = mine.find((one) => one.number === number);
  if (!given) return;
  mine = mine.filter((one) => one !== given);
  Object.assign(given.photo, { label: given.label, isOpen: given.isOpen });
  show(given.photo);
}

function tell() {
  const { error, saved } = outbox.words();
  const lost = missed && `${missed === 1 ? 'One press' : `${missed} presses`} ignored: no photo was on screen yet.`;
  say('error', [error || lookError, lost, trouble].filter(Boolean).join(' '));
  say('saved', saved);
  if (!current()) sayNothing();
}

// --- presses

function press(what, label) {
  if (what === 'help') { help.open ? help.close() : help.showModal(); return; }
  if (what === 'search') { searching.focus(); return; }
  waiting.push({ what, label });
  drain();
}

// Presses wait until the photo on screen is painted. Answers given while no photo is on screen, or to one that failed to
// load, are dropped instead: queued, they would answer a photo that nobody has seen.
function isPainting() { return Boolean(current()) && !isPainted; }
function isAnswer({ what }) { return what === 'answer' || what === 'skip'; }

function drain() {
  while (waiting.length && !isPainting() && !(isAsking && !isAnswer(waiting[0]))) take(waiting.shift());
}

function take({ what, label }) {
  const photo = current();
  if (what === 'undo') undo();
  else if (what === 'previous') { if (at > 0) show(history[Math.min(at, history.length) - 1]); }
  else if (what === 'unlike') seekUnlike();
  else if (what === 'map') toggleMap();
  else if (isAnswer({ what }) && (isAsking || !photo || !picture.isDrawn())) { missed += 1; tell(); }
  else if (!photo) return;
  else if (what === 'zoom') toggleZoom(photo);
  else if (what === 'next' || (what === 'skip' && photo.label)) next(photo);
  else give(photo, what, label);
}

function give(photo, what, label) {
  const number = outbox.add({ do: what, key: photo.key, label, queue: photo.queue });
  mine.push({ number, photo, label: photo.label, isOpen: photo.isOpen });
  photo.isOpen = photo.isPassed = false;
  if (what === 'answer') photo.label = label;
  if (missed || trouble) { missed = 0; trouble = ''; tell(); }
  advance();
}

function next(photo) {
  if (photo.isOpen) photo.isPassed = true;
  if (at + 1 < history.length) show(history[at + 1]);
  else if (upcoming.length) advance();
  else if (photo.isOpen) photo.isPassed = false; // no other photo is left
  look();
}

function undo() {
  const last = mine.pop();
  outbox.add({ do: 'undo', key: last ? last.photo.key : null, of: last && last.number });
  if (!last) { isAsking = true; return; }
  // The photo now on screen comes right after it.
  Object.assign(last.photo, { label: last.label, isOpen: true, isPassed: false });
  show(last.photo);
}

// `isOpen`: ask for an answer even if the photo has one.
async function jump(key, isOpen = false) {
  const reply = await act('label', { do: 'about', key }).catch(() => null);
  if (isOpen) isAsking = false; // this was the awaited reply
  if (!reply || !reply.photo) return;
  visit(reply.photo);
  current().isOpen ||= isOpen;
}

function visit(photo) {
  show({ ...photo, isOpen: !photo.label });
}

async function seekUnlike() {
  const { held, passed } = describe();
  const request = { do: 'unlike', visitor: outbox.visitor, held, passed };
  const reply = await act('label', request).catch(() => ({ error: 'The app is not responding. Try again in a moment.' }));
  trouble = reply.error;
  tell();
  if (reply.photo) show({ ...reply.photo, isOpen: true });
}

function chooseQueue() {
  rememberQueue();
  upcoming = [];
  waiting = [];
  nothing = '';
  history.forEach((photo) => { photo.isPassed = false; });
  history = history.filter((photo) => !photo.isOpen);
  showNone();
  isAsking = true;
  look();
}
