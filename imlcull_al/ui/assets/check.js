// The Check screen: contact sheets of spot checks and of photos to look at, and what they promise. Puts its parts together
// and asks check.respond.
import { makeSheetGrid } from './check_grid.js';
import { addHands } from './check_hands.js';
import { drawLarge, isDrawn, prefetch } from './check_large.js';
import { makeReport } from './check_report.js';
import { addMenu } from './label_hands.js';
import { makeSheets } from './logic/check_sheets.js';
import { answerOf, labelsOf, namesOf } from './logic/check_words.js';
import { readTask } from './logic/task.js';
import { act, outbox, target, threshold } from './page.js';
import { sendBeacon } from './page_life.js';
import { showKeys } from './preset_keys.js';
import { redrawn, write } from './writing.js';

const EVERY = 20000;            // milliseconds between looks, which keep the photos for this page
const AGAIN = 2000;             // milliseconds before a failed look is retried
const SEEN = 250;               // milliseconds a sheet is on screen before it can be answered

// Start the screen in `place`, which holds its HTML. `watch(name, changed)` tells when Gradio changes a property.
export function start(place, watch) { begin(place.firstElementChild, watch); }

function begin(element, watch) {
  const find = (selector) => element.querySelector(selector), task = readTask(element.dataset.task);
  const again = (html) => begin(redrawn(element, html), watch);
  const aims = () => ({ threshold: threshold.share(), target: task.isCull ? target.share() : undefined });
  const menu = find('.target'), box = find('.threshold');
  const screen = { look() {}, planned() {} };
  const report = makeReport(element, () => (box ? aims() : {}), (plan) => screen.planned(plan));
  if (box) Object.assign(screen, makeScreen(element, task, { report, again }));
  else screen.look = async () => {
    const reply = await act('check', { do: 'look', visitor: outbox.visitor, classes: task.classes.length }).catch(() => null);
    if (reply?.revision) report.follow(reply.revision);
  };
  const anew = () => {
    report.outdate();
    if (element.offsetParent) { report.plan(); screen.look(); }
  };
  if (menu) {
    addMenu(menu, find('.cells'), () => target.set(menu.value));
    couple(element, menu, target, anew);
  }
  if (box) {
    box.addEventListener('change', () => { threshold.set(box.value); box.value = threshold.percent(); });
    couple(element, box, threshold, anew);
  }
  watch('value', () => { if (element.offsetParent) screen.look(); });
  new IntersectionObserver(([seen]) => { if (seen.isIntersecting) screen.look(); }).observe(element);
  if (element.offsetParent) screen.look();
}

// Show a value of the page in a field, and call `changed` whenever it does.
function couple(element, field, value, changed) {
  const draw = () => { field.value = value.percent(); };
  value.follow(() => element.isConnected, () => { draw(); changed(); });
  draw();
}

// The sheets of a binary task.
function makeScreen(element, task, { report, again }) {
  const find = (selector) => element.querySelector(selector), closer = find('.closer'), cells = find('.cells');
  const names = namesOf(task), labels = labelsOf(task), sheets = makeSheets();
  const grid = makeSheetGrid(cells, names, loaded);
  let focus = 0, limit = 0;
  let isLooking = false, mustLook = false, retry = 0;
  let trouble = '', complaint = '', nothing = 'Loading';
  let seen = null, seeing = 0;   // the sheet, or the photo asked again, that has been on screen for a while

  write(find('.how'), `Mark the ${names.many}.`);
  write(find('[data-do=first]'), `${names.first}${task.isCull ? ' (K)' : ''}`);
  write(find('[data-do=other]'), `${names.other}${task.isCull ? ' (C)' : ''}`);

  // --- what is on screen

  function photos() { return sheets.sheet()?.photos ?? []; }
  function isGone(key) { return Boolean(sheets.sheet()?.gone.has(key)); }

  function display() {
    const asked = sheets.asked();
    focus = Math.max(0, Math.min(focus, photos().length - 1));
    grid.show(photos(), sheets.next());
    prefetch(sheets.due());
    draw();
    if (asked && !closer.open) openCloser();
    loaded();
    if (!asked && closer.open && closer.dataset.asked && !sheets.isAwaited()) closer.close();
  }

  function draw() {
    const count = sheets.present().length, sheet = sheets.sheet(), asked = sheets.asked();
    grid.draw({ focus, isMarked: sheets.isMarked, isGone });
    write(find('.what'), sheet ? answerOf(names, sheets.marks(), count) : 'No sheet');
    find('[data-do=answer]').disabled = !sheet;
    find('.hands [data-do=large]').disabled = !sheet;
    element.querySelectorAll('[data-queue]').forEach((each) => { each.ariaPressed = String(each.dataset.queue === sheets.queue()); });
    if (closer.open && asked) drawLarge(find, names, asked, { place: null });
    else if (closer.open && photos()[focus]) drawPhoto();
    tell();
  }

  function drawPhoto() {
    const photo = photos()[focus];
    const place = { position: focus, count: photos().length };
    drawLarge(find, names, photo, { isMarked: sheets.isMarked(photo.key), isGone: isGone(photo.key), place });
  }

  function openCloser() {
    const asked = sheets.asked();
    if (!asked && !photos()[focus]) return;
    if (asked) closer.dataset.asked = asked.key; else delete closer.dataset.asked;
    if (!closer.open) { closer.showModal(); closer.focus(); } // so that none of its buttons takes Enter
    draw();
  }

  // A photo that is asked again is asked later.
  function closeLarge() {
    if (sheets.asked() || sheets.isAwaited()) sheets.pass();
    closer.close();
    display();
  }

  // What is on screen can be answered once a person may have seen it.
  function loaded() {
    const asked = sheets.asked(), shown = asked ?? sheets.sheet(), isThere = asked ? isDrawn(find, asked) : !grid.missing().loading;
    clearTimeout(seeing);
    if (shown && seen !== shown && isThere) seeing = setTimeout(() => { seen = shown; sayWhetherSeen(); }, SEEN);
    sayWhetherSeen();
  }

  function isSeen() { return seen !== null && seen === (sheets.asked() ?? sheets.sheet()); }

  function sayWhetherSeen() {
    [cells, closer].forEach((place) => { place.dataset.seen = String(isSeen()); });
    tell();
  }

  function tell() {
    const { error, saved } = outbox.words(), { failed } = sheets.sheet() ? grid.missing() : { failed: 0 };
    const unseen = failed && `${failed === 1 ? 'One photo' : `${failed} photos`} could not be loaded. Retrying.`;
    element.querySelectorAll('.error').forEach((place) => write(place, [error || trouble, complaint, unseen].filter(Boolean).join(' ')));
    element.querySelectorAll('.saved').forEach((place) => write(place, saved));
    write(find('.nothing'), sheets.sheet() || sheets.asked() ? '' : sheets.isAwaited() ? 'Loading' : nothing);
  }

  function complain(text) { complaint = text; tell(); }

  // --- requests and replies

  // Behind the pending presses, so that the reply includes them.
  function look() {
    if (isLooking) { mustLook = true; return; }
    [isLooking, mustLook] = [true, false];
    outbox.read(async () => {
      if (cells.clientWidth) sheets.fit(grid.count());
      const request = { do: 'look', visitor: outbox.visitor, classes: task.classes.length, threshold: threshold.share(), limit, ...sheets.describe() };
      const reply = await act('check', request).catch(() => null);
      isLooking = false;
      if (!element.isConnected) return;
      trouble = reply ? reply.error : 'The app is not responding; trying again.';
      if (reply?.screen && !sheets.marks()) { if (closer.open) closer.close(); again(reply.screen); return; }
      if (reply?.photos) receive(reply);
      else { sheets.miss(); display(); lookLater(); }
      if (mustLook) look();
    });
  }

  function lookLater() { clearTimeout(retry); retry = setTimeout(() => { if (element.offsetParent) look(); }, AGAIN); }

  function receive(reply) {
    const underway = new Set(outbox.pending().flatMap(({ keys, key }) => keys || [key])), before = sheets.sheet();
    nothing = reply.nothing;
    sheets.receive(reply, underway);
    if (before !== sheets.sheet()) focus = 0;
    display();
    report.follow(reply.revision);
    if (sheets.sheet() && sheets.sheet() !== before && !sheets.next().length && reply.photos.length) look(); // the sheet after it
  }

  function planned(plan) {
    if (plan.limit === limit) return;
    limit = plan.limit;
    if (sheets.queue() === 'look') look();
  }

  // Outcome of presses: numbers delivered, numbers refused, and the keys that were undone.
  function took(arrived, refused, undone) {
    if (sheets.took(refused, undone)) display();
    if (element.offsetParent) look(); // a hidden sheet takes no photos from the queue on screen
  }

  // --- answers

  function answer() {
    const present = sheets.present();
    if (!sheets.sheet()) return;
    if (!isSeen()) { complain('Not answered: the sheet was not on screen yet.'); return; }
    if (!present.length) sheets.pass();
    else give(present.map(({ key }) => key), present.map(({ key }) => (sheets.isMarked(key) ? labels.first : labels.other)), sheets.queue());
    focus = 0;
    display();
    if (!present.length) look();
  }

  function give(keys, said, queue) {
    complaint = '';
    sheets.answer(outbox.add({ do: 'sheet', keys, labels: said, queue }));
  }

  function answerAsked(label) {
    const asked = sheets.asked();
    if (!asked) return;
    if (!isSeen()) { complain('Not answered: the photo was not on screen yet.'); return; }
    give([asked.key], [label], 'again');
    display();
  }

  function undo() {
    const last = sheets.takeBack();
    if (!last) { complain('There is no sheet to take back on this page.'); return; }
    complaint = '';
    sheets.undo(outbox.add({ do: 'undo', keys: last.keys, of: last.number }), last);
    if (closer.open && !sheets.asked()) closer.close();
    focus = 0;
    display();
  }

  function toggle(isKeeper) {
    const photo = photos()[focus];
    if (!photo || sheets.asked() || isGone(photo.key)) return;
    sheets.mark(photo.key, isKeeper ?? !sheets.isMarked(photo.key));
    complaint = '';
    draw();
  }

  function moveTo(position) {
    focus = Math.max(0, Math.min(position, photos().length - 1));
    draw();
  }

  function choose(queue) {
    if (queue === sheets.queue()) return;
    sheets.choose(queue);
    [focus, complaint, nothing] = [0, '', 'Loading'];
    display();
    look();
  }

  addHands(element, {
    find, moveTo, choose, isAsked: () => Boolean(sheets.asked()), focus: () => focus, count: () => photos().length, columns: grid.columns,
    toggleAt(position) { moveTo(position); toggle(); },
    does: {
      answer, undo, toggle: () => toggle(), unmark: () => toggle(false), large: openCloser,
      previous: () => moveTo(focus - 1), next: () => moveTo(focus + 1), close: closeLarge,
      first: () => answerAsked(labels.first), other: () => answerAsked(labels.other), cull: openCull,
    },
  });
  find('.large').addEventListener('load', loaded);
  closer.addEventListener('cancel', (event) => { event.preventDefault(); closeLarge(); }); // Escape
  closer.addEventListener('close', () => cells.focus({ preventScroll: true }));

  function openCull() {
    [...document.querySelectorAll('button[role=tab]')].find((tab) => tab.textContent.trim() === 'Cull' && tab.offsetParent)?.click();
  }

  stayAwake(element, () => { if (element.offsetParent && !document.hidden) look(); });
  showKeys(element);
  outbox.join({ isThere: () => element.isConnected, took, said: tell });
  return { look, planned };
}

// Call `poll` now and then while the screen is in the page. Release its photos when the page closes.
function stayAwake(element, poll) {
  const leave = () => sendBeacon('act/check', JSON.stringify({ ...act.here(), do: 'leave', visitor: outbox.visitor }));
  window.addEventListener('pagehide', leave);
  const polling = setInterval(() => {
    if (element.isConnected) { poll(); return; }
    clearInterval(polling);
    window.removeEventListener('pagehide', leave);
  }, EVERY);
}
