// The Label screen: shows the photos of a queue and takes presses. Puts its parts together and asks label.respond.
import { makeBeside } from './label_beside.js';
import { makeAnswered } from './label_lately.js';
import { makeClasses } from './label_classes.js';
import { addHands, addMenu } from './label_hands.js';
import { makeCompare } from './label_compare.js';
import { makeBursts, wholeBurst } from './logic/label_bursts.js';
import { keysFor } from './logic/label_keys.js';
import { makeLately } from './logic/label_lately.js';
import { makeMap } from './logic/label_map.js';
import { makePicture } from './label_picture.js';
import { makePresses } from './logic/label_presses.js';
import { makeQueue, refresh } from './logic/label_queue.js';
import { makeTyping } from './logic/label_typing.js';
import { readTask } from './logic/task.js';
import { makeStrip } from './label_strip.js';
import { addSearch } from './label_search.js';
import { makeZoom } from './label_zoom.js';
import { recall, remember } from './memory.js';
import { act, outbox, preset } from './page.js';
import { afterPaint, sendBeacon } from './page_life.js';
import { addPresets, showKeys } from './preset_keys.js';
import { redrawn } from './writing.js';

const MEMORY = 'imlcull queue', SEEN = 'imlcull keys seen'; // the latter in all tabs
const EVERY = 2000; // milliseconds between looks
const REST = 250;   // milliseconds a photo stays on screen before its map and full size are fetched

// Start the screen in `place`, which holds its HTML.
export function start(place) {
  const lists = { bursts: makeBursts(), lately: makeLately() };
  begin(place.firstElementChild, makeQueue(lists.bursts, lists.lately), lists);
}

// `element`: the root of the screen. `queue`, `lists`: of the screen that it replaces, after classes were added to the task.
function begin(element, queue, lists) {
  const { bursts, lately } = lists;
  const at = screenOf(element), { find, say } = at, task = readTask(element.dataset.task);
  const stage = find('stage'), menu = find('queue select'), help = find('help'), firstKeys = find('first-keys');
  let isPainted = false;                 // the photo on screen has been painted
  let isLooking = false;                 // a look is queued
  let lookError = '', isAway = false;    // error of the last look; whether the server did not respond
  let nothing = '';                      // why the queue is empty
  let resting = 0;

  const typing = makeTyping(task);
  const classes = task.isCull ? null : makeClasses(at, task, typing);
  const map = makeMap({
    wanted: () => (isPainted && isHere() ? queue.nearest() : []), redraw: () => picture.again(),
    turned(isOn) {
      element.querySelector('[data-do=map]').ariaPressed = String(isOn);
      find('legend').hidden = !isOn;
    },
    say: (text) => say('map-news', text), load: loadMap,
  });
  const picture = makePicture(stage, find('photo'), drawn, map.of);
  const zoom = makeZoom(stage, find('pixels'), find('badge'), picture, () => queue.near().slice(1));
  const presses = makePresses(queue, outbox, {
    isPainted: () => isPainted, isDrawn: picture.isDrawn, display, tell, look, jump: (key) => jump(key, true),
    chosen: () => classes.chosen(),
    others: {
      map: toggleMap, unlike: seekUnlike, zoom: () => zoom.toggle(hands.place()),
      left: () => { if (queue.step(-1)) display(); },
      right: () => { if (queue.step(1)) display(); },
      again: (photo, key) => { if (photo?.key !== key) jump(key); },
      frame: (photo, key) => { if (queue.showFrame(key)) display(); },
      compare: (photo) => { if (queue.burst()) compare.open(queue.burst(), photo); },
      toggle: (photo, number) => { if (photo) classes.toggle(number); },
    },
  });
  const beside = makeBeside(element, task, at, { jump, isOn: (photo) => photo === queue.current() });
  const compare = task.isCull && makeCompare(find('compare'), chooseBest);
  const strip = makeStrip(find, task), drawAnswered = makeAnswered(find, task, lately);
  const hands = addHands(element, at, {
    zoom, press, pressOf: keysFor(task, typing, preset), swipes: task.isCull, complain: presses.complain,
  });

  function isHere() { return element.offsetParent !== null && !document.hidden; }

  // --- the photo on screen

  function display() {
    const photo = queue.current();
    isPainted = false;
    clearTimeout(resting);
    hands.still();
    picture.show(photo);
    zoom.follow(photo);
    beside.clear();
    describePhoto(photo);
    if (!photo) sayNothing();
    afterPaint(() => { picture.want(queue.near()); beside.detail(photo); strip.rest(queue.nearest().map(bursts.of)); });
  }

  function describePhoto(photo) {
    beside.describe(photo, queue.isFirst());
    drawStrip();
    classes?.show(photo);
  }

  function drawStrip() {
    strip.draw(queue.current(), queue.burst());
    drawAnswered(queue.current()?.key, Boolean(queue.burst()));
  }

  function drawn(photo, isFailed) {
    zoom.draw();
    say('nothing', isFailed ? 'This photo could not be loaded. Retrying; keys are ignored until then.' : '');
    element.dispatchEvent(new CustomEvent('drawn', { detail: photo.key, bubbles: true }));
    requestAnimationFrame(() => {
      if (queue.current() !== photo || isPainted) return;
      isPainted = true;
      presses.drain();
      map.rest(REST);
      resting = setTimeout(zoom.rest, REST);
    });
  }

  function sayNothing() {
    const isCutOff = isAway || outbox.isFailing();
    say('nothing', isCutOff ? 'No more photos are loaded, and the app is not responding. Keys are ignored until it does.' : nothing || 'Loading');
  }

  // Keep this frame of the burst, and cull the others that have no answer.
  function chooseBest(key) {
    if (!queue.showFrame(key)) return;
    display();
    if (wholeBurst(queue.burst(), queue.current())) press('burst'); else press('answer', 'keep');
  }

  // The map is hidden at 100 %, so turning it on ends the zoom.
  function toggleMap() {
    map.turn(zoom.isOn() || !map.isOn());
    zoom.end();
  }

  // --- requests and replies

  // Fetch the queue, after all earlier presses were delivered. One request at a time.
  function look() {
    if (isLooking) return;
    isLooking = true;
    outbox.read(async () => {
      isLooking = false;
      const request = { do: 'look', visitor: outbox.visitor, queue: menu.value, classes: task.classes.length, ...queue.describe() };
      const reply = await act('label', request).catch(() => null);
      isAway = !reply;
      lookError = reply ? reply.error : 'The app is not responding; trying again.';
      if (reply && reply.upcoming) receive(reply);
      tell();
      picture.want(queue.near());
    });
  }

  function receive(reply) {
    const photo = queue.current(), underway = new Set(outbox.pending().flatMap(({ keys, key }) => keys || [key]));
    queue.offer(reply.queue === menu.value ? reply.upcoming : [], underway); // else another reply is coming
    describe(reply);
    const isSame = photo && reply.current && reply.current.key === photo.key;
    if (isSame && photo.id !== reply.current.id) { photo.id = reply.current.id; display(); } // its file was replaced
    if (photo && reply.gone === photo.key && !underway.has(photo.key)) { queue.drop(); display(); }
    if (isSame && !underway.has(photo.key) && refresh(photo, reply.current)) describePhoto(photo);
    bursts.take(reply.bursts.near, underway);
    lately.take(reply.lately, underway);
    find('below').dataset.bursts = reply.bursts.any;
    drawStrip();
    presses.looked();
    if (!photo && queue.hasNext()) { queue.advance(); display(); }
    nothing = reply.nothing;
    if (!queue.current()) sayNothing();
    presses.drain();
    if (reply.screen && isUntouched()) begin(redrawn(element, reply.screen), queue, lists);
  }

  // Whether drawing the screen anew takes nothing out of a person's hands.
  function isUntouched() {
    const isTyping = !typing.isEmpty() || find('search input').value;
    return !(presses.isWaiting() || isTyping || zoom.isOn() || help.open || (compare && compare.isOpen())) && (!classes || classes.isUntouched());
  }

  function describe(reply) {
    ['counts', 'visitors', 'advice', 'promise', 'news', 'notice'].forEach((name) => say(name, reply[name]));
    ['news', 'notice'].forEach((name) => { find(name).title = reply[name]; });
    find('unlike').hidden = !reply.offer_unlike;
    find('track i').style.transform = `scaleX(${reply.photos ? reply.labeled / reply.photos : 0})`;
  }

  // Outcome of presses: numbers delivered, numbers refused, and the keys that were undone.
  function took(arrived, refused, undone) {
    presses.took(arrived, refused, undone);
    look();
  }

  function tell() {
    const { error, saved } = outbox.words();
    say('error', [error || lookError, presses.words()].filter(Boolean).join(' '));
    say('saved', saved);
    if (!queue.current()) sayNothing();
  }

  function show(photo) { queue.visit(photo); display(); }
  function visit(photo) { show({ ...photo, isOpen: !photo.label }); }

  // `isOpen`: ask for an answer even if the photo has one.
  async function jump(key, isOpen = false) {
    const reply = await act('label', { do: 'about', key }).catch(() => null);
    if (!reply || !reply.photo) return;
    visit(reply.photo);
    queue.current().isOpen ||= isOpen;
  }

  async function seekUnlike() {
    const { held, passed } = queue.describe();
    const request = { do: 'unlike', visitor: outbox.visitor, held, passed };
    const reply = await act('label', request).catch(() => ({ error: 'The app is not responding. Try again in a moment.' }));
    presses.complain(reply.error);
    if (reply.photo) show({ ...reply.photo, isOpen: true });
  }

  // --- input

  function press(what, label) {
    if (firstKeys && !firstKeys.hidden) { firstKeys.hidden = true; remember(SEEN, 'yes', () => localStorage); }
    if (what !== 'typed') typing.clear();
    classes?.draw();
    if (what === 'typed') return;
    if (what === 'help') { if (help.open) help.close(); else help.showModal(); return; }
    if (what === 'search') { find('search input').focus(); return; }
    presses.press(what, label);
  }

  function chooseQueue() {
    remember(MEMORY, menu.value);
    presses.forget();
    nothing = '';
    queue.restart();
    display();
    presses.awaitLook();
    look();
  }

  addSearch(at, visit);
  addMenu(menu, stage, chooseQueue);
  showKeys(element);
  if (task.isCull) addPresets(find('presets'));
  if (firstKeys) firstKeys.hidden = recall(SEEN, () => localStorage) !== null;
  stayAwake(element, () => { if (isHere()) look(); }, look);
  menu.append(...task.queues.map(([name, title]) => new Option(title, name)));
  const known = recall(MEMORY);
  if ([...menu.options].some((option) => option.value === known)) menu.value = known;
  outbox.join({ isThere: () => element.isConnected, took, said: tell });
  if (queue.current()) display(); else presses.awaitLook();
  look();
}

// Find the parts of a screen by class, and put text into them.
function screenOf(element) {
  const find = (name) => element.querySelector(`.${name}`);
  const say = (name, text) => { if (find(name).textContent !== (text || '')) find(name).textContent = text || ''; };
  return { find, say };
}

// Call `poll` every two seconds and `back` when the page returns from the browser's cache, while the screen is in the
// page. Release its photos when the page closes.
function stayAwake(element, poll, back) {
  const leave = () => sendBeacon('act/label', JSON.stringify({ ...act.here(), do: 'leave', visitor: outbox.visitor }));
  const onReturn = (event) => { if (event.persisted) back(); };
  window.addEventListener('pagehide', leave);
  window.addEventListener('pageshow', onReturn);
  const polling = setInterval(() => {
    if (element.isConnected) { poll(); return; }
    clearInterval(polling);
    window.removeEventListener('pagehide', leave);
    window.removeEventListener('pageshow', onReturn);
  }, EVERY);
}

// The map of a photo as { bitmap }, or why there is none as { error }.
async function loadMap({ id }) {
  try {
    const reply = await fetch(`photos/${id}/sharpness`);
    if (reply.ok) return { bitmap: await createImageBitmap(await reply.blob()) };
    return { error: await reply.text() };
  } catch { return { error: 'The map could not be loaded. It will be retried when you return to this photo.' }; }
}
