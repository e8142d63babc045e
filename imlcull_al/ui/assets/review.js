// The Review screen. `element` is its HTML; `act` (act.js) calls review.respond; answers go into the `outbox`
// (outbox.js).
const find = (selector) => element.querySelector(selector);
const closer = find('.closer'), cellsBox = find('.cells'), slider = find('.threshold'), sorting = find('.sort select');
const AGAIN = 2000; // milliseconds before retrying a failed look
const SIDES = ['open', 'kept', 'culled'], WORDS = ['', 'keep', 'cull'], CODES = { keep: KEEP, cull: CULL };
const percent = (steps) => Math.floor(steps * 100 / STEPS) + '%';
let photos = null;    // names and ids by row
let rowOf = new Map();       // name → row
let sequence = null;  // bursts and chronological ranks by row
let table = null;     // scores, labels, unreadable by row, with pending answers applied
let threshold = STEPS / 2;
let filter = 'all';
let shown = [];       // rows in grid order; changes only on request, so that nothing jumps
let focus = 0, anchor = 0;   // positions in `shown`
let picked = new Set();      // rows
let underway = [];           // unacknowledged answers and undos: number, keys, codes
let mine = [];               // answers given here, for Undo: number, keys, previous codes
let isLooking = false, lookingSoon = 0, trouble = '';
let isPicking = false, isHeld = false, holding = 0; // long press by touch
const HOLD = 450; // milliseconds

const grid = makeGrid(cellsBox, find('.space'), { make: makeCell, draw: drawCell, address: addressOf });

// --- cells

function isReadable(row) { return !(row in table.unreadable); }
function address(row, size) { return `photos/${photos.ids[row]}/${size}`; }
function addressOf(position) { return isReadable(shown[position]) ? address(shown[position], 320) : ''; }

function makeCell() {
  const cell = document.createElement('div');
  cell.className = 'cell';
  cell.id = `review-cell-${makeCell.count = (makeCell.count || 0) + 1}`;
  cell.setAttribute('role', 'option');
  cell.innerHTML = '<img alt="" decoding="async" draggable="false"><span class="why"></span><span class="mark"></span>'
    + '<span class="pick" data-answer="cull" title="Cull (C)">✕</span>'
    + '<span class="pick" data-answer="keep" title="Keep (K)">✓</span>'
    + '<span class="file"></span><span class="score"></span>';
  cell.image = cell.firstElementChild;
  [cell.why, cell.mark, , , cell.file, cell.score] = cell.querySelectorAll('span');
  return cell;
}

function drawCell(cell, position) {
  const row = shown[position], label = table.labels[row], score = table.scores[row];
  const side = decide(table, row, threshold);
  const isOverruled = label && score >= 0 && (score >= threshold) !== (label === KEEP);
  const look = `cell ${SIDES[side]}${label ? ' labeled' : ''}${isOverruled ? ' overruled' : ''}`
    + `${position === focus ? ' focused' : ''}${picked.has(row) ? ' chosen' : ''}`
    + (isByTime() ? placeInBurst(table, shown, position) : '');
  if (cell.className !== look) cell.className = look;
  write(cell.mark, label ? (label === KEEP ? '✓' : '✕') : '');
  write(cell.why, table.unreadable[row] || '');
  write(cell.file, photos.names[row]);
  write(cell.score, score >= 0 ? percent(score) : '');
  describe(cell, 'ariaLabel', spoken(row));
  describe(cell, 'title', photos.names[row]);
  describe(cell, 'ariaSelected', String(picked.has(row)));
  describe(cell, 'ariaPosInSet', String(position + 1));
  describe(cell, 'ariaSetSize', String(shown.length));
}

function isByTime() { return sorting.value === 'time' || sorting.value === 'burst'; }
function describe(cell, name, text) { if (cell[name] !== text) cell[name] = text; }
function write(place, text) { if (place.textContent !== text) place.textContent = text; }

function spoken(row) { return [photos.names[row], ...facts(row)].join(' · '); }

function facts(row) {
  const label = table.labels[row], side = decide(table, row, threshold);
  return [
    label ? `your answer: ${WORDS[label]}` : side && SIDES[side],
    table.scores[row] >= 0 && `score ${percent(table.scores[row])}`,
    !isReadable(row) && `can't be read: ${table.unreadable[row]}`,
  ].filter(Boolean);
}

// --- order, focus, selection

function arrange() {
  const row = shown[focus];
  shown = arrangeRows(table, filter, sorting.value, threshold);
  const there = shown.indexOf(row);
  focus = anchor = there >= 0 ? there : Math.max(Math.min(focus, shown.length - 1), 0);
  find('[data-do=again]').disabled = true;
  write(find('.nothing'), shown.length ? '' : filter === 'all' ? 'No photos here.' : `No photos are ${filter}.`);
  grid.restart(shown.length);
  drawFocus();
}

// After a new sort or filter: scroll to the focused photo if it is still listed.
function rearrange() {
  arrange();
  grid.scrollTo(focus);
  drawFocus();
}

function drawFocus() {
  grid.redraw();
  const cell = grid.cell(focus);
  if (cell) cellsBox.setAttribute('aria-activedescendant', cell.id);
  else cellsBox.removeAttribute('aria-activedescendant');
  isPicking = isPicking && picked.size > 0;
  find('.picked').hidden = picked.size < 2 && !isPicking;
  write(find('.how-many'), `${picked.size.toLocaleString('en')} selected${isPicking && picked.size === 1 ? '; tap the last one of the range' : ''}`);
  if (closer.open) drawLarge();
}

function moveTo(position, isRange) {
  if (!shown.length) return;
  focus = Math.max(0, Math.min(position, shown.length - 1));
  if (isRange) pickRange();
  else { anchor = focus; picked = new Set(); }
  grid.scrollTo(focus);
  drawFocus();
}

function pickRange() {
  picked = new Set(shown.slice(Math.min(anchor, focus), Math.max(anchor, focus) + 1));
}

function toggle(position) {
  const row = shown[position];
  if (!picked.size) picked.add(shown[focus]);
  focus = anchor = position;
  if (!picked.delete(row)) picked.add(row);
  drawFocus();
}

function pickAll() { picked = new Set(shown); drawFocus(); }
function clearPicked() { picked = new Set(); drawFocus(); }

function chosen() { return picked.size && !closer.open ? [...picked] : shown.slice(focus, focus + 1); }

// --- the server

// Queued behind pending presses, so that the reply includes them.
function look() {
  if (isLooking) return;
  isLooking = true;
  outbox.read(async () => {
    isLooking = false;
    const known = { revision: table && table.revision, listing: photos && photos.listing, moments: sequence && sequence.moments };
    const reply = await act('review', { do: 'look', ...known }).catch(() => null);
    trouble = reply ? reply.error : 'The app is not responding; trying again.';
    tell();
    if (reply && reply.view) receive(reply.view);
    else setTimeout(() => { if (element.offsetParent) look(); }, AGAIN);
  });
}

function lookSoon() { clearTimeout(lookingSoon); lookingSoon = setTimeout(look, 250); }

function receive(view) {
  if (!view.scores) return;
  const isNew = Boolean(view.photos), had = table && table.scores.some((score) => score >= 0);
  if (isNew) { photos = view.photos; rowOf = new Map(photos.names.map((name, row) => [name, row])); }
  if (view.sequence) sequence = view.sequence;
  table = { ...view, bursts: sequence.bursts, ranks: sequence.ranks, brackets: new Set(sequence.brackets) };
  underway.forEach(layOver);
  if (isNew) { threshold = remembered(); picked = new Set(); mine = []; focus = 0; shown = []; }
  const has = table.scores.some((score) => score >= 0);
  element.firstElementChild.classList.toggle('scoreless', !has);
  write(find('.advice'), view.advice);
  write(find('.notice'), has ? view.notice : '');
  slider.disabled = !has;
  if (isNew || has !== Boolean(had)) arrange();
  drawAll();
}

function drawAll() {
  drawParting();
  drawHistogram();
  drawFocus();
  const now = arrangeRows(table, filter, sorting.value, threshold);
  find('[data-do=again]').disabled = now.length === shown.length && now.every((row, at) => row === shown[at]);
}

function answer(label) {
  const rows = table ? chosen() : [];
  if (!rows.length) return;
  const keys = rows.map((row) => photos.names[row]), before = rows.map((row) => table.labels[row]);
  const number = outbox.add({ do: 'answer', keys, label });
  mine.push({ number, keys, before });
  if (!closer.open) { picked = new Set(); isPicking = false; }
  expect({ number, keys, codes: keys.map(() => CODES[label]) });
}

// Optimistic update: apply the press until the server replies.
function expect(change) {
  underway.push(change);
  layOver(change);
  drawAll();
}

function layOver({ keys, codes }) {
  keys.forEach((key, at) => { if (rowOf.has(key)) table.labels[rowOf.get(key)] = codes[at]; });
}

function undo() {
  if (!table) return;
  const { number: of, keys, before } = mine.pop() || { keys: [], before: [] };
  const number = outbox.add({ do: 'undo', keys, of });
  expect({ number, keys, codes: before, of });
  if (keys.length === 1) goTo(keys[0]);
}

function goTo(key) {
  const position = shown.indexOf(rowOf.get(key));
  if (position >= 0) moveTo(position);
}

// Outcome of presses: numbers delivered, numbers refused, and the keys that were undone.
function took(arrived, refused, undone) {
  undone.forEach(({ number, keys }) => {
    const change = underway.find((each) => each.number === number);
    if (!change) return;
    const left = change.keys.filter((key) => !keys.includes(key));
    // A later answer from another tab was undone first; the rest of ours can still be undone.
    if (left.length) mine.push({ number: change.of, keys: left, before: left.map((key) => change.codes[change.keys.indexOf(key)]) });
    else if (!change.keys.length && keys.length === 1) goTo(keys[0]);
  });
  underway = underway.filter(({ number }) => !arrived.includes(number) && !refused.includes(number));
  mine = mine.filter(({ number }) => !refused.includes(number));
  if (refused.length && table) table.revision = ''; // force a full reload of the table
  if (undone.length || refused.length) look(); else lookSoon();
}

function tell() {
  const { error, saved } = outbox.words();
  element.querySelectorAll('.error').forEach((place) => write(place, error || trouble));
  element.querySelectorAll('.saved').forEach((place) => write(place, saved));
}
