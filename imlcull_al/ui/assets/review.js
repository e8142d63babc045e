// The Review screen: all photos in a grid, parted by the threshold, or told apart by class. Puts its parts together and
// asks review.respond.
import { act, outbox, preset, threshold } from './page.js';
import { makeAnswers } from './logic/review_answers.js';
import { drawCell, makeCell } from './review_cells.js';
import { makeGrid } from './review_grid.js';
import { addHands } from './review_hands.js';
import { drawLarge } from './review_large.js';
import { addMenus, drawCounts } from './review_menus.js';
import { drawHistogram, drawParting } from './review_parting.js';
import { makeClasses } from './logic/review_classes.js';
import { makeSelection } from './logic/review_selection.js';
import { makeSides } from './logic/review_sides.js';
import { STEPS, arrangeRows, hasScores, isPast, isReadable } from './logic/review_table.js';
import { selectedOf } from './logic/review_words.js';
import { readTask } from './logic/task.js';
import { showKeys } from './preset_keys.js';
import { redrawn, write } from './writing.js';

const AGAIN = 2000, SOON = 250; // milliseconds before retrying a failed look, and before looking after answers

// Start the screen in `place`, which holds its HTML. `watch(name, changed)` tells when Gradio changes a property.
export function start(place, watch) { begin(place.firstElementChild, watch); }

// `element`: the root of the screen. `was`: the view of the screen that it replaces, after classes were added to the
// task.
function begin(element, watch, was = null) {
  const find = (selector) => element.querySelector(selector);
  const task = readTask(element.dataset.task), kind = task.isCull ? makeSides() : makeClasses(task);
  const closer = find('.closer'), cells = find('.cells'), sorting = find('.order');
  const view = { photos: null, table: null, threshold: inSteps() }; // names and ids; scores and labels; all by row
  let sequence = null;     // bursts and chronological ranks by row
  let rowOf = new Map();   // name → row
  let filter = 'all';
  let isLooking = false, lookingSoon = 0, trouble = '';
  const selection = makeSelection(), answers = makeAnswers();

  const grid = makeGrid(cells, find('.space'), {
    make: () => makeCell(task.isCull),
    draw(cell, position) {
      const isByTime = sorting.value === 'time' || sorting.value === 'burst';
      drawCell(cell, position, { ...view, selection, kind, isByTime, name: view.photos.names[selection.shown()[position]] });
    },
    address(position) {
      const row = selection.shown()[position];
      return isReadable(view.table, row) ? address(row, 320) : '';
    },
  });
  const hands = addHands(element, {
    find, selection, grid, isReady: () => Boolean(view.table), answer, answerOf: task.isCull ? preset.answerOf : kind.answerOf, undo, choose, rearrange, reorder, moveTo, drawFocus, openLarge,
    part, keepThreshold: () => threshold.set(view.threshold * 100 / STEPS),
  });

  function address(row, size) { return `photos/${view.photos.ids[row]}/${size}`; }

  // --- order, focus, selection

  // The class whose scores are shown; null for the likeliest of each photo.
  function by() { return sorting.value.startsWith('class:') ? sorting.value.slice('class:'.length) : null; }

  function arranged() { return arrangeRows(view.table, filter, by() === null ? sorting.value : 'score', view.threshold, kind.filterOf); }

  function arrange() {
    selection.list(arranged());
    find('[data-do=again]').disabled = true;
    write(find('.nothing'), selection.shown().length ? '' : kind.nothingIn(filter));
    grid.restart(selection.shown().length);
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
    selection.pickNone();
    element.querySelectorAll('[data-filter]').forEach((each) => { each.ariaPressed = String(each.dataset.filter === name); });
    const classMenu = find('select.by-class');
    if (classMenu) classMenu.value = name.startsWith('class:') ? name : 'all';
    rearrange();
  }

  function drawFocus() {
    grid.redraw();
    const cell = grid.cell(selection.focus()), count = selection.count();
    if (cell) cells.setAttribute('aria-activedescendant', cell.id);
    else cells.removeAttribute('aria-activedescendant');
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

  function lookSoon() { clearTimeout(lookingSoon); lookingSoon = setTimeout(look, SOON); }

  function receive(sent) {
    if (!sent.scores) return;
    const had = Boolean(view.table) && hasScores(view.table), has = hasScores(sent), isResorted = sent.by !== view.table?.by;
    if (sent.sequence) sequence = sent.sequence;
    view.table = { ...kind.read(sent), bursts: sequence.bursts, ranks: sequence.ranks, brackets: new Set(sequence.brackets) };
    if (sent.photos) list(sent.photos);
    answers.layOver(view.table.labels, rowOf);
    element.classList.toggle('scoreless', !has);
    write(find('.advice'), has ? '' : sent.advice); // it lies over the histogram
    write(find('.notice'), has ? [sent.advice, sent.notice].filter(Boolean).join(' ') : '');
    if (task.isCull) find('.threshold').disabled = !has;
    if (sent.photos || has !== had || (isResorted && !isInOrder())) arrange();
    drawAll();
    if (was) restore(was);
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
    } else drawCounts(element, kind.counts(view.table));
    drawFocus();
    find('[data-do=again]').disabled = isInOrder();
  }

  // Whether arranging would change nothing.
  function isInOrder() {
    const now = arranged(), shown = selection.shown();
    return now.length === shown.length && now.every((row, at) => row === shown[at]);
  }

  // --- answers, shown before the server acknowledged them

  function answer(label) {
    const rows = view.table ? selection.chosen(closer.open) : [];
    if (!rows.length) return;
    const codes = kind.relabeled(rows.map((row) => view.table.labels[row]), label);
    [...new Set(codes)].forEach((code, at) => give(rows.filter((row, place) => codes[place] === code), code, at > 0));
    if (!closer.open) { selection.pickNone(); hands.stopPicking(); }
    drawAnswers();
  }

  function give(rows, code, isMore) {
    const keys = rows.map((row) => view.photos.names[row]), before = rows.map((row) => view.table.labels[row]);
    answers.give(outbox.add({ do: 'answer', keys, label: kind.textOf(code) }), keys, code, before, isMore);
  }

  function undo() {
    if (!view.table) return;
    let last;
    do {
      last = answers.takeBack();
      answers.undo(outbox.add({ do: 'undo', keys: last.keys, of: last.number }), last);
    } while (last.isMore);
    drawAnswers();
    if (last.keys.length === 1) goTo(last.keys[0]);
  }

  function drawAnswers() {
    answers.layOver(view.table.labels, rowOf);
    drawAll();
  }

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

  // --- threshold

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
    if (filter === 'kept' || filter === 'culled') { arrange(); return; }
    const sort = sorting.value, edge = selection.shown().findIndex((row) => isPast(view.table.scores[row], sort, value));
    if (edge >= 0 && (sort === 'score' || sort === 'worst')) grid.scrollTo(edge, true); // show the photos at the threshold
    grid.redraw();
  }

  if (task.isCull) threshold.follow(() => element.isConnected, follow);
  else addMenus(element, task, { choose, answer });

  // Pick up other tabs' answers, but only while visible: fetching a table is expensive.
  watch('value', () => { if (element.offsetParent) look(); });
  new IntersectionObserver(([seen]) => { if (seen.isIntersecting) look(); }).observe(cells);
  showKeys(element);
  outbox.join({ isThere: () => element.isConnected, took, said: tell });
  look();
}
