// The Review screen: all photos in a grid, parted by the threshold, or told apart by class. Puts its parts together and
// asks review.respond.
import { act, outbox, preset, threshold } from './page.js';
import { makeAnswers } from './logic/review_answers.js';
import { drawCell, makeCell, makeHead } from './review_cells.js';
import { makeGrid } from './review_grid.js';
import { addHands } from './review_hands.js';
import { makeGiving } from './review_giving.js';
import { drawLarge } from './review_large.js';
import { addMenus } from './review_menus.js';
import { makeMoments } from './review_moments.js';
import { drawCounts, drawHistogram, drawParting } from './review_parting.js';
import { addSize } from './review_size.js';
import { makeClasses } from './logic/review_classes.js';
import { isByThreshold, usualOrder } from './logic/review_filters.js';
import { areManyDays } from './logic/review_moments.js';
import { makeSelection } from './logic/review_selection.js';
import { makeSides } from './logic/review_sides.js';
import { STEPS, arrangeRows, hasScores, isPast, isReadable } from './logic/review_table.js';
import { selectedOf } from './logic/review_words.js';
import { readTask } from './logic/task.js';
import { showKeys } from './preset_keys.js';
import { filterIn, writeAddress } from './tabs.js';
import { redrawn, write } from './writing.js';

const AGAIN = 2000, SOON = 250, SMALL = 320, LARGE = 1600; // milliseconds before retrying a failed look, and before looking after answers; sizes of photos

// Start the screen in `place`, which holds its HTML. `watch(name, changed)` tells when Gradio changes a property.
export function start(place, watch) { begin(place.firstElementChild, watch); }

// `element`: the root of the screen. `was`: the view of the screen that it replaces, after classes were added to the
// task.
function begin(element, watch, was = null) {
  const find = (selector) => element.querySelector(selector);
  const task = readTask(element.dataset.task), kind = task.isCull ? makeSides() : makeClasses(task);
  const closer = find('.closer'), cells = find('.cells'), photoList = find('.list'), sorting = find('.order'), most = find('.most');
  // Names and ids; scores and labels; all by row. `leaving`: rows that are offered to be culled.
  const view = { photos: null, table: null, threshold: inSteps(), leaving: new Set() };
  let sequence = null;     // bursts and chronological ranks by row
  let rowOf = new Map();   // name → row
  let filter = 'all', sortBefore = null; // the sort to return to, while a filter has its own
  let isLooking = false, lookingSoon = 0, trouble = '';
  const selection = makeSelection(), answers = makeAnswers(), moments = makeMoments(find, view, selection);

  const grid = makeGrid({ viewport: cells, space: find('.space'), list: photoList, heads: find('.heads') }, {
    make: () => makeCell(task.isCull),
    draw(cell, position) {
      const isByTime = sorting.value === 'time';
      drawCell(cell, position, { ...view, selection, kind, isByTime, name: view.photos.names[selection.shown()[position]] });
    },
    address(position, width) {
      const row = selection.shown()[position];
      return isReadable(view.table, row) ? address(row, width * devicePixelRatio > SMALL * 1.5 ? LARGE : SMALL) : '';
    },
    makeHead,
    drawHead: moments.drawHead,
  });
  const giving = makeGiving({ view, selection, kind, answers, moments, isLarge: () => closer.open, changed: drawAnswers, goTo });
  const hands = addHands(element, {
    find, selection, grid, isReady: () => Boolean(view.table), ...giving, answerOf: task.isCull ? preset.answerOf : kind.answerOf,
    accept, choose, rearrange, reorder, moveTo, drawFocus, openLarge,
    part, keepThreshold: () => threshold.set(view.threshold * 100 / STEPS), atMost,
  });
  addSize(find('.size'), grid, () => { grid.scrollTo(selection.focus()); grid.redraw(); });

  function address(row, size) { return `photos/${view.photos.ids[row]}/${size}`; }

  // --- order, focus, selection

  // The class whose scores are shown; null for the likeliest of each photo.
  function by() { return sorting.value.startsWith('class:') ? sorting.value.slice('class:'.length) : null; }

  function arranged() {
    return arrangeRows(view.table, by() === null ? sorting.value : 'score', kind.filterOf(filter)(view.table, view.threshold));
  }

  function arrange() {
    selection.list(arranged());
    find('[data-do=again]').disabled = true;
    write(find('.nothing'), selection.shown().length ? '' : kind.nothingIn(filter));
    moments.draw(filter);
    const isHeaded = sorting.value === 'burst';
    grid.restart(moments.counts(isHeaded), isHeaded);
    drawFocus();
  }

  // After a new sort or filter: scroll to the focused photo if it is still listed.
  function rearrange() {
    arrange();
    grid.scrollTo(selection.focus());
    drawFocus();
  }

  function reorder() {
    rearrange();
    if (by() !== (view.table.by ?? null)) look();
  }

  function choose(name) {
    filter = name;
    if (most) view.table.most = name === 'beyond' ? Number(most.value) : (most.value = 0);
    sortBefore ??= sorting.value;
    sorting.value = usualOrder(name) ?? sortBefore;
    if (!usualOrder(name)) sortBefore = null;
    writeAddress('review', name === 'all' || name === 'beyond' ? '' : name);
    selection.pickNone();
    element.querySelectorAll('[data-filter]').forEach((each) => { each.ariaPressed = String(each.dataset.filter === name); });
    find('[data-filter][aria-pressed=true]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const classMenu = find('select.by-class');
    if (classMenu) classMenu.value = name.startsWith('class:') ? name : 'all';
    rearrange();
  }

  function drawFocus() {
    grid.redraw();
    const cell = grid.cell(selection.focus()), count = selection.count();
    if (cell) photoList.setAttribute('aria-activedescendant', cell.id);
    else photoList.removeAttribute('aria-activedescendant');
    if (!count) hands.stopPicking();
    find('.picked').hidden = count < 2 && !hands.isPicking();
    write(find('.how-many'), selectedOf(count, hands.isPicking()));
    if (closer.open) drawLarge(find, view, kind, selection, address);
  }

  function moveTo(position, isRange) {
    if (!selection.shown().length) return;
    selection.moveTo(position, isRange);
    grid.scrollTo(selection.focus());
    drawFocus();
  }

  function goTo(key) {
    const position = selection.shown().indexOf(rowOf.get(key));
    if (position >= 0) moveTo(position);
  }

  function openLarge() {
    if (!selection.shown().length) return;
    if (!closer.open) { closer.showModal(); closer.focus(); } // focus the dialog, so that none of its buttons takes Enter
    drawLarge(find, view, kind, selection, address);
  }

  // --- the server

  // Queued behind pending presses, so that the reply includes them.
  function look() {
    if (isLooking) return;
    isLooking = true;
    outbox.read(async () => {
      isLooking = false;
      const isSame = by() === (view.table?.by ?? null);
      const known = { by: by(), classes: task.classes.length, revision: isSame ? view.table?.revision : null, listing: view.photos?.listing, moments: sequence?.moments };
      const reply = await act('review', { do: 'look', ...known }).catch(() => null);
      trouble = reply ? reply.error : 'The app is not responding; trying again.';
      tell();
      if (reply?.screen && !selection.count() && !closer.open) { redraw(reply.screen); return; }
      if (reply?.view) receive(reply.view);
      if (!reply?.view || reply.screen) setTimeout(() => { if (element.offsetParent) look(); }, AGAIN);
    });
  }

  function redraw(html) {
    const key = view.photos?.names[selection.shown()[selection.focus()]];
    begin(redrawn(element, html), watch, { sort: sorting.value, filter, key });
  }

  function restore({ sort, filter: name, key }) {
    was = null;
    sorting.value = sort;
    choose(name);
    goTo(key);
  }

  // The address may name a filter.
  function followAddress() {
    const name = view.table && element.isConnected ? filterIn('review') : null;
    if (name !== null && name !== filter && find(`[data-filter="${CSS.escape(name)}"]`)) choose(name);
  }

  function lookSoon() { clearTimeout(lookingSoon); lookingSoon = setTimeout(look, SOON); }

  function receive(sent) {
    if (!sent.scores) return;
    const had = Boolean(view.table) && hasScores(view.table), has = hasScores(sent), isResorted = sent.by !== view.table?.by;
    if (sent.sequence) sequence = sent.sequence;
    const sets = { brackets: new Set(sequence.brackets), damaged: new Set(sent.damaged), isManyDays: areManyDays(sequence.times) };
    const isFirst = !view.table;
    view.table = { ...kind.read(sent), ...sequence, ...sets, most: view.table?.most ?? 0 };
    if (sent.photos) list(sent.photos);
    answers.layOver(view.table.labels, rowOf);
    element.classList.toggle('scoreless', !has);
    write(find('.advice'), has ? '' : sent.advice); // it lies over the histogram
    write(find('.notice'), has ? [sent.advice, sent.notice].filter(Boolean).join(' ') : '');
    if (task.isCull) find('.threshold').disabled = !has;
    if (sent.photos || has !== had || (isResorted && !isInOrder())) arrange();
    drawAll();
    if (was) restore(was);
    else if (isFirst) followAddress();
    if (by() !== (sent.by ?? null)) look(); // another order was chosen meanwhile
  }

  // Other photos than before.
  function list(photos) {
    view.photos = photos;
    rowOf = new Map(photos.names.map((name, row) => [name, row]));
    selection.clear();
    answers.forget();
  }

  function drawAll() {
    if (task.isCull) {
      drawParting(find, view.table, view.threshold);
      drawHistogram(find, view.table);
    }
    drawCounts(element, view, kind.filterOf);
    moments.draw(filter);
    drawFocus();
    find('[data-do=again]').disabled = isInOrder();
  }

  // Whether arranging would change nothing.
  function isInOrder() {
    const now = arranged(), shown = selection.shown();
    return now.length === shown.length && now.every((row, at) => row === shown[at]);
  }

  // --- answers

  function drawAnswers() {
    answers.layOver(view.table.labels, rowOf);
    drawAll();
  }

  function accept() { if (giving.accept() === 'cull') choose('all'); }

  // Outcome of presses: numbers delivered, numbers refused, and the keys that were undone.
  function took(arrived, refused, undone) {
    answers.took(arrived, refused, undone).forEach(goTo);
    if (refused.length && view.table) view.table.revision = ''; // force a full reload of the table
    if (undone.length || refused.length) look(); else lookSoon();
  }

  function tell() {
    const { error, saved } = outbox.words();
    element.querySelectorAll('.error').forEach((place) => write(place, error || trouble));
    element.querySelectorAll('.saved').forEach((place) => write(place, saved));
  }

  // --- threshold, and how many of a burst

  function atMost() { choose(most.value === '0' ? 'all' : 'beyond'); }

  function inSteps() { return threshold.percent() * STEPS / 100; }

  // From another screen, so this one is hidden, or from the first reply.
  function follow() {
    if (view.threshold === inSteps()) return;
    view.threshold = inSteps();
    if (view.table) { arrange(); drawAll(); }
  }

  function part(value) {
    view.threshold = value;
    drawParting(find, view.table, value);
    drawCounts(element, view, kind.filterOf);
    if (isByThreshold(filter)) { arrange(); return; }
    moments.draw(filter);
    const sort = sorting.value, edge = selection.shown().findIndex((row) => isPast(view.table.scores[row], sort, value));
    if (edge >= 0 && (sort === 'score' || sort === 'worst')) grid.scrollTo(edge, true); // show the photos at the threshold
    grid.redraw();
  }

  if (task.isCull) threshold.follow(() => element.isConnected, follow);
  else addMenus(element, task, { choose, answer: giving.answer });

  // Pick up other tabs' answers, but only while visible: fetching a table is expensive.
  watch('value', () => { if (element.offsetParent) look(); });
  new IntersectionObserver(([seen]) => { if (seen.isIntersecting) look(); }).observe(cells);
  window.addEventListener('popstate', followAddress);
  showKeys(element);
  outbox.join({ isThere: () => element.isConnected, took, said: tell });
  look();
}
