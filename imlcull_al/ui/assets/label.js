// The Label screen in the browser. `element` is its HTML; `act` (act.js) asks label.respond.
const find = (name) => element.querySelector('.' + name);
const say = (name, text) => { if (find(name).textContent !== (text || '')) find(name).textContent = text || ''; };
const KEYS = { k: 'keep', p: 'keep', arrowright: 'keep', c: 'cull', x: 'cull', arrowleft: 'cull' };
const ACTIONS = { u: 'undo', s: 'skip', z: 'zoom', m: 'map', ' ': 'next', arrowdown: 'next', arrowup: 'previous', '?': 'help', '/': 'search' };
const COMMITTED = 8;   // photos of the last reply that stay next, whatever the new order: they are decoded
const AHEAD = 12, BEHIND = 6; // decoded photos
const REST = 250;      // milliseconds that a photo is looked at before what is beside it is asked for
const SWIPE = 70;      // pixels
const QUEUE_MEMORY = 'imlcull queue';
const stage = find('stage'), choice = find('queue select'), searching = find('search input'), help = find('help');

// A photo: key, id, p_keep, label, queue, number as the server says; `isOpen`: to be answered; `isPassed`: looked past.
let history = [];      // photos in the order seen
let at = -1;           // the one on screen; history.length while there is none
let upcoming = [];     // photos not seen yet
let mine = [];         // answers and skips given here: photo, label before, isOpen before
let waiting = [];      // presses that came before the photo they are for was painted
let isPainted = false; // the photo on screen was there for a frame
let isAsking = false;  // a reply will say what to show
let refusal = '';      // why a press was not taken; until one is
let pointer = null;    // where it is on the stage
let drag = null;
let resting = 0, typing = 0;

const visitor = newVisitor();
const map = makeMap({
  wanted: mapped, legend: find('legend'), news: find('map-news'), button: element.querySelector('[data-do=map]'),
  redraw: () => picture.again(),
});
const picture = makePicture(stage, find('photo'), drawn, map.of);
const zoom = makeZoom(stage, find('pixels'), find('badge'));
const outbox = makeOutbox({ visitor, describe, receive, tell });

// crypto.randomUUID is only there on localhost and under https.
function newVisitor() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const text = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}

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

// After an answer: what was left behind further on, else the next of the queue.
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
  afterPaint(() => { prefetch(); outbox.pump(); drawRest(photo); });
}

function prefetch() {
  const before = history.slice(Math.max(0, at - BEHIND), Math.max(0, at)).reverse();
  const photo = current();
  picture.want([...(photo ? [photo] : []), ...laterOpen().concat(upcoming).slice(0, AHEAD), ...before]);
}

// The photo on screen once it was painted, and the next one: its map may be made while this one is looked at.
function mapped() { return isPainted && isHere() ? [current(), ...laterOpen(), ...upcoming].slice(0, 2) : []; }

function afterPaint(work) {
  let isDone = false;
  const once = () => { if (!isDone) { isDone = true; work(); } };
  requestAnimationFrame(() => setTimeout(once));
  setTimeout(once, 200); // a page that is not visible paints nothing
}

function drawn(photo, isFailed) {
  say('nothing', isFailed ? 'This photo could not be loaded. It is tried again in a moment.' : '');
  element.dispatchEvent(new CustomEvent('drawn', { detail: photo.key, bubbles: true }));
  requestAnimationFrame(() => {
    if (current() !== photo || isPainted) return;
    isPainted = true;
    drain();
    map.rest(REST);
  });
}

// --- what is beside it

function describePhoto(photo) {
  say('name', photo && photo.key);
  say('number', photo && `No. ${photo.number}`);
  stage.ariaLabel = photo ? `Photo ${photo.key}` : 'No photo';
  const score = photo && photo.p_keep;
  say('score', score === null || score === undefined ? '' : `Score: ${Math.round(score * 100)}% keep`);
  say('sure', score === null || score === undefined ? '' : howSure(score));
  const isScored = Boolean(photo) && score !== null && score !== undefined;
  find('judgement').classList.toggle('scored', isScored);
  if (isScored) find('meter i').style.left = `${score * 100}%`;
  say('answer', spokenAnswer(photo));
  find('answer').className = `answer ${(photo && photo.label) || ''}`;
  say('exposure', '');
  element.querySelectorAll('.likes').forEach((row) => row.replaceChildren());
  element.querySelectorAll('[data-do=answer], [data-do=skip], [data-do=zoom]').forEach((button) => { button.disabled = !photo; });
  element.querySelector('[data-do=previous]').disabled = at <= 0;
}

function howSure(score) {
  const distance = Math.abs(score - 0.5), side = score >= 0.5 ? 'keep' : 'cull';
  if (distance < 0.1) return 'a toss-up';
  return distance < 0.3 ? `leans to ${side}` : `sure of ${side}`;
}

function spokenAnswer(photo) {
  if (!photo) return '';
  if (photo.queue === 'audit' && photo.isOpen) return 'Blind: no score, so that it can be measured.';
  if (!photo.label) return '';
  const score = photo.p_keep;
  if (photo.queue !== 'disagreements' || score === null || (score >= 0.5) === (photo.label === 'keep')) return `Your answer: ${photo.label}`;
  const [yes, no] = photo.label === 'keep' ? 'KC' : 'CK';
  return `You said ${photo.label}. ${yes} confirms, ${no} changes it.`;
}

// Asked for once a photo has been looked at for a moment, so that it never slows the next one.
function drawRest(photo) {
  if (!photo || photo !== current()) return;
  clearTimeout(resting);
  resting = setTimeout(async () => {
    const reply = await act('label', { do: 'about', key: photo.key, queue: photo.isOpen ? photo.queue : null }).catch(() => null);
    if (photo !== current()) return;
    if (reply && !reply.error) photo.beside = reply; // else what was known of it before stays
    if (!photo.beside) return;
    const { exposure, similar } = photo.beside;
    say('exposure', spokenExposure(exposure));
    ['keep', 'cull'].forEach((label) => {
      find(`${label}-row .likes`).replaceChildren(...similar.filter((other) => other.label === label).map(thumbnail));
    });
  }, REST);
}

function spokenExposure(facts) {
  const taken = /^(\d{4}):(\d\d):(\d\d) (\d\d:\d\d)/.exec(facts.taken || '');
  const settings = [facts.shutter, facts.aperture, facts.ISO && `ISO ${facts.ISO}`, facts['focal length']];
  const rest = [facts.camera, facts.lens, taken && `${taken[1]}-${taken[2]}-${taken[3]} ${taken[4]}`];
  return [settings, rest].map((line) => line.filter(Boolean).join(' · ')).filter(Boolean).join('\n');
}

function thumbnail(photo) {
  const button = document.createElement('button'), image = document.createElement('img');
  button.title = `${photo.key}: ${photo.label}, ${Math.round(photo.similarity * 100)}% alike`;
  image.alt = `${photo.key}: ${photo.label}`;
  image.decoding = 'async';
  image.src = `photos/${photo.id}/320`;
  button.append(image);
  button.onclick = () => jump(photo.key);
  return button;
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

function receive(reply, presses) {
  if (presses.length && !reply.refused.length) refusal = '';
  say('error', reply.error || refusal);
  reply.undone.forEach(takenBack);
  reply.refused.forEach((refusal) => notTaken(refusal, presses));
  if (reply.upcoming) arrange(reply);
  prefetch();
}

function arrange(reply) {
  const underway = new Set(outbox.pending().map((press) => press.key));
  const seen = new Set([current(), ...laterOpen()].filter(Boolean).map((photo) => photo.key));
  const passed = new Set(history.filter((photo) => photo.isPassed && photo.isOpen).map((photo) => photo.key));
  const isOfQueue = reply.queue === choice.value; // else it was chosen meanwhile, and another reply comes
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
  if (!current() && !outbox.pending().length) {
    say('nothing', reply.nothing || 'Loading');
    waiting = waiting.filter(({ what }) => what === 'undo'); // the others were for photos that there are not
  }
  drain();
}

// Somebody else, or a new score, changed what is known about the photo on screen.
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

function takenBack({ photo }) {
  const known = history.find((other) => other.key === photo.key);
  if (known) { known.label = photo.label; if (known === current()) describeAgain(known); }
  if (!isAsking) return;
  isAsking = false;
  show(known || { ...photo, isOpen: true });
  current().isOpen = true;
}

// An answer that the server did not take is shown with its photo, never dropped in silence.
function notTaken({ number, key, error }, presses) {
  isAsking = false;
  refuse(error);
  const press = presses.find((other) => other.number === number);
  const given = press && press.do !== 'undo' && mine.findLast((one) => one.photo.key === key);
  if (!given) return;
  mine = mine.filter((one) => one !== given);
  Object.assign(given.photo, { label: given.label, isOpen: given.isOpen });
  show(given.photo);
}

function refuse(error) { refusal = error || ''; say('error', refusal); }

function tell(error, count) {
  const answers = count === 1 ? 'One answer is' : `${count} answers are`;
  say('error', `${count ? `${answers} not saved yet; trying again.` : 'The app does not answer; trying again.'} ${error.message || ''}`.trim());
}

// --- presses

function press(what, label) {
  if (what === 'help') { help.open ? help.close() : help.showModal(); return; }
  if (what === 'search') { searching.focus(); return; }
  waiting.push({ what, label });
  drain();
}

// A photo that was not on the screen yet is not answered: presses wait until it was, and while the next is on its way.
function isReady() {
  if (isAsking) return false;
  return current() ? isPainted : !upcoming.length && !outbox.pending().length;
}

function drain() { while (waiting.length && isReady()) take(waiting.shift()); }

function take({ what, label }) {
  const photo = current();
  if (what === 'undo') undo();
  else if (what === 'previous') { if (at > 0) show(history[Math.min(at, history.length) - 1]); }
  else if (what === 'unlike') seekUnlike();
  else if (what === 'map') toggleMap();
  else if (!photo) return;
  else if (what === 'zoom') toggleZoom(photo);
  else if (what === 'next' || (what === 'skip' && photo.label)) next(photo);
  else give(photo, what, label);
}

function give(photo, what, label) {
  mine.push({ photo, label: photo.label, isOpen: photo.isOpen });
  outbox.add({ do: what, key: photo.key, label, queue: photo.queue });
  photo.isOpen = photo.isPassed = false;
  if (what === 'answer') photo.label = label;
  advance();
}

function next(photo) {
  if (photo.isOpen) photo.isPassed = true;
  if (at + 1 < history.length) show(history[at + 1]);
  else if (upcoming.length) advance();
  else if (photo.isOpen) photo.isPassed = false; // nothing else is left
  outbox.look();
}

function undo() {
  const last = mine.pop();
  outbox.add({ do: 'undo', key: last ? last.photo.key : null, queue: null });
  if (!last) { isAsking = true; outbox.pump(); return; }
  // The photo that was on screen comes next again.
  Object.assign(last.photo, { label: last.label, isOpen: true, isPassed: false });
  show(last.photo);
}

async function jump(key) {
  const reply = await act('label', { do: 'about', key }).catch(() => null);
  if (reply && reply.photo) visit(reply.photo);
}

function visit(photo) {
  show({ ...photo, isOpen: !photo.label });
}

async function seekUnlike() {
  const { held, passed } = describe();
  const reply = await act('label', { do: 'unlike', visitor, held, passed }).catch((error) => ({ error: error.message }));
  refuse(reply.error);
  if (reply.photo) show({ ...reply.photo, isOpen: true });
}

function chooseQueue() {
  sessionStorage.setItem(QUEUE_MEMORY, choice.value);
  choice.blur(); // keys are answers again
  upcoming = [];
  waiting = [];
  history.forEach((photo) => { photo.isPassed = false; });
  history = history.filter((photo) => !photo.isOpen);
  showNone();
  say('nothing', 'Loading');
  isAsking = true;
  outbox.look();
}

// --- search

function search() {
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const text = searching.value.trim();
    if (!text) { closeSearch(); return; }
    const reply = await act('label', { do: 'find', text }).catch(() => null);
    if (!reply || !reply.found || searching.value.trim() !== text) return;
    find('found').replaceChildren(...reply.found.map(hit), ...(reply.found.length < reply.total || !reply.total ? [rest(reply)] : []));
    find('found').hidden = false;
  }, 120);
}

function hit(photo) {
  const button = document.createElement('button');
  button.textContent = `${photo.number} · ${photo.key}`;
  button.className = photo.label || '';
  button.onclick = () => { closeSearch(); searching.value = ''; visit(photo); };
  return button;
}

function rest({ found, total }) {
  const line = document.createElement('p');
  line.textContent = total ? `and ${total - found.length} more` : 'No photo has that name or number.';
  return line;
}

function closeSearch() { find('found').hidden = true; find('found').replaceChildren(); searching.blur(); }

searching.addEventListener('input', search);
searching.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') { searching.value = ''; closeSearch(); }
  if (event.key === 'Enter') find('found').querySelector('button')?.click();
  if (event.key === 'ArrowDown') { find('found').querySelector('button')?.focus(); event.preventDefault(); }
});
find('search').addEventListener('focusout', (event) => {
  if (!find('search').contains(event.relatedTarget)) find('found').hidden = true;
});

// --- zoom and swipe

function toggleZoom(photo) {
  if (zoom.isOn()) { zoom.end(); return; }
  const frame = picture.frame();
  const place = pointer || { x: stage.clientWidth / 2, y: stage.clientHeight / 2 };
  if (frame) zoom.start(photo, frame, place.x, place.y);
}

// It is not there while single pixels are looked at; whoever asks for it then has looked enough.
function toggleMap() {
  map.turn(zoom.isOn() || !map.isOn());
  zoom.end();
}

// The photo follows the finger, and a word says what letting go would mean.
function swing(x) {
  const photo = find('photo');
  photo.style.transform = x ? `translateX(${x}px)` : '';
  find('keep-hint').style.opacity = Math.max(0, Math.min(1, x / SWIPE));
  find('cull-hint').style.opacity = Math.max(0, Math.min(1, -x / SWIPE));
}

stage.addEventListener('pointermove', (event) => {
  const box = stage.getBoundingClientRect();
  pointer = { x: event.clientX - box.left, y: event.clientY - box.top };
  if (!drag || drag.id !== event.pointerId) return;
  if (zoom.isOn()) zoom.move(event.clientX - drag.x, event.clientY - drag.y);
  else if (event.pointerType !== 'mouse') { drag.swung += event.clientX - drag.x; swing(drag.swung); }
  Object.assign(drag, { x: event.clientX, y: event.clientY });
});
stage.addEventListener('pointerleave', () => { if (!drag) pointer = null; });
stage.addEventListener('pointerdown', (event) => {
  if (event.button || drag) return;
  drag = { id: event.pointerId, x: event.clientX, y: event.clientY, swung: 0 };
  stage.setPointerCapture(event.pointerId);
});
function endDrag(event, isMeant) {
  if (!drag || drag.id !== event.pointerId) return;
  const { swung } = drag;
  drag = null;
  swing(0);
  if (isMeant && Math.abs(swung) >= SWIPE) press('answer', swung > 0 ? 'keep' : 'cull');
}
stage.addEventListener('pointerup', (event) => endDrag(event, true));
stage.addEventListener('pointercancel', (event) => endDrag(event, false));
stage.addEventListener('wheel', (event) => {
  if (!zoom.isOn()) return;
  zoom.move(-event.deltaX, -event.deltaY);
  event.preventDefault();
}, { passive: false });

// --- buttons, keys, the page

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-do]');
  if (!button || button.disabled) return;
  if (event.detail) button.blur(); // clicked, not pressed: Space shall go on to the next photo
  press(button.dataset.do, button.dataset.label);
});
choice.addEventListener('change', chooseQueue);

function onKey(event) {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || !element.offsetParent || help.open) return;
  const target = event.target, key = event.key.toLowerCase();
  if (target.closest && target.closest('input, textarea, select, [contenteditable=true]')) return;
  if (target.closest && target.closest('button, a, [role=tab]') && [' ', 'arrowleft', 'arrowright'].includes(key)) return;
  if (key in KEYS) press('answer', KEYS[key]);
  else if (key in ACTIONS) press(ACTIONS[key]);
  else if (key === 'escape' && zoom.isOn()) zoom.end();
  else return;
  event.preventDefault();
}
function onLeave() { outbox.leave(); }
function onReturn(event) { if (event.persisted) outbox.look(); }
function onUnload(event) { if (outbox.pending().length && outbox.isFailing()) event.preventDefault(); }

document.addEventListener('keydown', onKey);
window.addEventListener('pagehide', onLeave);
window.addEventListener('pageshow', onReturn);
window.addEventListener('beforeunload', onUnload);
const polling = setInterval(() => {
  if (!element.isConnected) {
    clearInterval(polling);
    document.removeEventListener('keydown', onKey);
    window.removeEventListener('pagehide', onLeave);
    window.removeEventListener('pageshow', onReturn);
    window.removeEventListener('beforeunload', onUnload);
  } else if (isHere()) outbox.look();
}, 2000);

const remembered = sessionStorage.getItem(QUEUE_MEMORY);
if ([...choice.options].some((option) => option.value === remembered)) choice.value = remembered;
isAsking = true;
outbox.look();
