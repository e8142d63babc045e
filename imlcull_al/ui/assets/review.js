// The Review screen in the browser. `element` is its HTML; `act` (act.js) asks review.respond.
const find = (selector) => element.querySelector(selector);
const closer = find('.closer'), cellsBox = find('.cells'), slider = find('.threshold'), sorting = find('.sort select');
const SIDES = ['open', 'kept', 'culled'], WORDS = ['', 'keep', 'cull'], CODES = { keep: KEEP, cull: CULL };
const percent = (steps) => Math.floor(steps * 100 / STEPS) + '%';
let photos = null;    // names and ids by row
let sequence = null;  // bursts and ranks in the order of time by row
let table = null;     // scores, labels, unreadable by row; answers under way are laid over it
let threshold = STEPS / 2;
let filter = 'all';
let shown = [];       // rows in the order of the grid; it changes only when this person asks, so that nothing jumps
let focus = 0, anchor = 0;   // positions in `shown`
let picked = new Set();      // rows
let underway = [];           // answers sent and not yet acknowledged
let presses = [];            // names of each press here, for Undo
let replies = Promise.resolve(); // one request at a time, so that the journal has the order of the presses
let isLooking = false, lookingSoon = 0;
let isPicking = false, isHeld = false, holding = 0; // by touch
const HOLD = 450; // milliseconds

const grid = makeGrid(cellsBox, find('.space'), { make: makeCell, draw: drawCell, address: addressOf });

// --- what a photo looks like

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

// --- threshold, counts, histogram

function drawParting() {
  const counts = countSides(table, threshold), number = (value) => value.toLocaleString('en');
  const others = [[counts.labeled, 'by label'], [counts.unreadable, 'unreadable'], [counts.open, 'without a score']];
  write(find('.kept-count'), number(counts.kept));
  write(find('.culled-count'), number(counts.culled));
  write(find('.others'), others.filter(([value]) => value).map(([value, name]) => `, ${number(value)} ${name}`).join(''));
  write(find('output'), percent(threshold));
  slider.value = threshold * 100 / STEPS;
  slider.ariaValueText = `${percent(threshold)}: ${number(counts.kept)} kept, ${number(counts.culled)} culled`;
  find('.cull-side').style.transform = `scaleX(${threshold / STEPS})`;
}

// Unlabeled photos are the ground; answers, far fewer, stand before it side by side. The root lets one photo be seen.
function drawHistogram() {
  const counts = histogram(table), most = Math.max(1, ...counts.flat()), wide = 100 / BINS;
  const bar = (kind, bin, x, width) => {
    const high = 100 * Math.sqrt(counts[kind][bin] / most);
    const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    Object.entries({ x, width, y: 100 - high, height: high, class: ['', 'is-keep', 'is-cull'][kind] })
      .forEach(([name, value]) => rect.setAttribute(name, value));
    return rect;
  };
  const bins = [...Array(BINS).keys()];
  find('.bars').replaceChildren(
    ...bins.map((bin) => bar(0, bin, bin * wide + 0.1, wide - 0.2)),
    ...bins.map((bin) => bar(CULL, bin, bin * wide + 0.2, wide / 2 - 0.25)),
    ...bins.map((bin) => bar(KEEP, bin, (bin + 0.5) * wide + 0.05, wide / 2 - 0.25)));
}

function part(value) {
  threshold = value;
  drawParting();
  if (filter === 'kept' || filter === 'culled') { arrange(); return; }
  const edge = shown.findIndex((row) => isPast(table.scores[row]));
  if (edge >= 0 && (sorting.value === 'score' || sorting.value === 'worst')) grid.scrollTo(edge, true); // the photos that it is about
  grid.redraw();
}

function isPast(score) { return sorting.value === 'worst' ? score < 0 || score >= threshold : score < threshold; }

function remembered() {
  try {
    const value = Number(localStorage.getItem(photos.threshold) ?? 0.5);
    return value >= 0 && value <= 1 ? Math.round(value * 100) * STEPS / 100 : STEPS / 2;
  } catch { return STEPS / 2; } // storage is forbidden
}

function remember() {
  try { localStorage.setItem(photos.threshold, threshold / STEPS); } catch { /* then not */ }
}

// --- the list: order, focus, selection

function arrange() {
  const row = shown[focus];
  shown = arrangeRows(table, filter, sorting.value, threshold);
  const there = shown.indexOf(row);
  focus = anchor = there >= 0 ? there : Math.max(Math.min(focus, shown.length - 1), 0);
  find('[data-do=again]').disabled = true;
  write(find('.nothing'), shown.length ? '' : 'No photo is ' + (filter === 'all' ? 'here.' : `${filter}.`));
  grid.restart(shown.length);
  drawFocus();
}

// The person asked for another list: the photo they were at, if it is still there, stays in sight.
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
  write(find('.how-many'), `${picked.size.toLocaleString('en')} selected${isPicking && picked.size === 1 ? '; tap the last one' : ''}`);
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

function enqueue(request, done) {
  replies = replies.then(() => act('review', request)).then(
    (reply) => { write(find('.error'), reply.error || ''); done(reply.view, reply.error); },
    () => {
      done(null, true);
      write(find('.error'), 'The app does not answer. Start it again, then reload this page.');
    });
}

function look() {
  if (isLooking) return; // asked when its turn comes, so it sees what was answered before
  isLooking = true;
  replies = replies.then(() => {
    isLooking = false;
    return act('review', { do: 'look', revision: table && table.revision, listing: photos && photos.listing,
      moments: sequence && sequence.moments });
  }).then(
    (reply) => { if (reply.error) write(find('.error'), reply.error); else receive(reply.view); },
    () => write(find('.error'), 'The app does not answer. Start it again, then reload this page.'));
}

function lookSoon() { clearTimeout(lookingSoon); lookingSoon = setTimeout(look, 250); }

function receive(view) {
  if (!view.scores) return;
  const isNew = Boolean(view.photos), had = table && table.scores.some((score) => score >= 0);
  if (isNew) photos = view.photos;
  if (view.sequence) sequence = view.sequence;
  table = { ...view, bursts: sequence.bursts, ranks: sequence.ranks, brackets: new Set(sequence.brackets) };
  underway.forEach(({ rows, code }) => rows.forEach((row) => { table.labels[row] = code; }));
  if (isNew) { threshold = remembered(); picked = new Set(); presses = []; focus = 0; shown = []; }
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
  const sent = { rows, code: CODES[label] }, keys = rows.map((row) => photos.names[row]);
  rows.forEach((row) => { table.labels[row] = sent.code; });
  underway.push(sent);
  presses.push(keys);
  if (!closer.open) { picked = new Set(); isPicking = false; }
  drawAll();
  enqueue({ do: 'answer', keys, label }, (_, error) => {
    underway = underway.filter((each) => each !== sent);
    if (error) { presses = presses.filter((each) => each !== keys); table.revision = ''; } // see what is true
    lookSoon();
  });
}

function undo() {
  if (!table) return;
  const keys = presses.pop() || [];
  enqueue({ do: 'undo', keys }, (view, error) => {
    if (error) return;
    const undone = view.undone.map(([name]) => name), left = keys.filter((key) => !undone.includes(key));
    if (left.length) presses.push(left); // another tab's answer was later, and went first
    look();
    const position = undone.length === 1 ? shown.indexOf(photos.names.indexOf(undone[0])) : -1;
    if (position >= 0) moveTo(position);
  });
}

// --- large view

function openLarge() {
  if (!shown.length) return;
  if (!closer.open) { closer.showModal(); closer.focus(); } // no button of it takes Enter for itself
  drawLarge();
}

function drawLarge() {
  const row = shown[focus], image = find('.large');
  if (row === undefined) return;
  const readable = isReadable(row), large = readable ? address(row, 1600) : '';
  image.hidden = !readable;
  if (image.wanted !== large) {
    image.wanted = large;
    image.removeAttribute('src');
    image.style.backgroundImage = readable ? `url(${address(row, 320)})` : ''; // until the large one is here
    if (large) image.src = large;
    const next = shown[focus + 1];
    if (next !== undefined && isReadable(next)) new Image().src = address(next, 1600);
  }
  image.alt = photos.names[row];
  write(find('.closer .why'), readable ? '' : `This photo can't be read: ${table.unreadable[row]}`);
  write(find('.closer .file'), photos.names[row]);
  const side = decide(table, row, threshold), about = find('.closer .facts');
  about.className = `facts ${['', 'keep', 'cull'][side]}`;
  write(about, [...facts(row).slice(0, 2), `${focus + 1} of ${shown.length.toLocaleString('en')}`].join(' · '));
  find('[data-do=previous]').disabled = focus === 0;
  find('[data-do=next]').disabled = focus === shown.length - 1;
  closer.dataset.label = WORDS[table.labels[row]];
}

// --- hands

const DOES = {
  undo,
  again: rearrange,
  clear: clearPicked,
  previous: () => moveTo(focus - 1),
  next: () => moveTo(focus + 1),
  close: () => closer.close(),
};

function choose(name) {
  filter = name;
  picked = new Set();
  element.querySelectorAll('[data-filter]').forEach((each) => { each.ariaPressed = String(each.dataset.filter === name); });
  rearrange();
}

element.addEventListener('click', (event) => {
  if (!table) return;
  const button = event.target.closest('button'), cell = event.target.closest('.cell');
  if (button && button.dataset.filter) choose(button.dataset.filter);
  else if (button && button.dataset.answer) answer(button.dataset.answer);
  else if (button && button.dataset.do) DOES[button.dataset.do]();
  else if (cell) clickCell(cell.position, event);
});

// A finger that rests on a photo begins a range there; the next tap ends it.
cellsBox.addEventListener('pointerdown', (event) => {
  const cell = event.target.closest('.cell');
  clearTimeout(holding);
  isHeld = false;
  if (event.pointerType !== 'touch' || !cell) return;
  holding = setTimeout(() => {
    isHeld = isPicking = true;
    focus = anchor = cell.position;
    pickRange();
    drawFocus();
  }, HOLD);
});
['pointerup', 'pointercancel', 'pointerleave'].forEach((name) => cellsBox.addEventListener(name, () => clearTimeout(holding)));
cellsBox.addEventListener('scroll', () => clearTimeout(holding), { passive: true });
cellsBox.addEventListener('contextmenu', (event) => { if (isHeld || isPicking) event.preventDefault(); });

function clickCell(position, event) {
  const pick = event.target.dataset.answer;
  if (isHeld) { isHeld = false; return; }
  if (isPicking && event.pointerType === 'touch') { moveTo(position, true); return; }
  if (event.shiftKey) moveTo(position, true);
  else if (event.ctrlKey || event.metaKey) toggle(position);
  else moveTo(position);
  if (pick) answer(pick);
  else if (event.pointerType === 'touch') openLarge();
}

element.addEventListener('dblclick', (event) => {
  if (event.target.closest('.cell') && !event.target.dataset.answer) openLarge();
});
slider.addEventListener('input', () => { if (table) part(slider.value * STEPS / 100); });
slider.addEventListener('change', () => { if (table) remember(); });
sorting.addEventListener('change', () => { if (table) rearrange(); });

function steps() {
  const columns = closer.open ? 1 : grid.columns(), page = columns * (closer.open ? 1 : grid.rows());
  return {
    arrowleft: focus - 1, arrowright: focus + 1, arrowup: focus - columns, arrowdown: focus + columns,
    pageup: focus - page, pagedown: focus + page, home: 0, end: shown.length - 1,
  };
}

const KEYS = {
  k: () => answer('keep'), p: () => answer('keep'), c: () => answer('cull'), x: () => answer('cull'), u: undo, r: rearrange,
};

function onKey(event) {
  if (!element.isConnected) { document.removeEventListener('keydown', onKey); return; }
  const on = event.target.closest ? event.target : document.body;
  if (!table || !element.offsetParent || event.altKey || on.closest('textarea, select, input:not(.threshold)')) return;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key !== 'a' || closer.open) return;
    pickAll();
  } else if (key in steps()) {
    if (on === slider) return; // they move the threshold
    if (!closer.open) cellsBox.focus({ preventScroll: true });
    moveTo(step(key), event.shiftKey && !closer.open);
  } else if (key === 'escape' && !closer.open) clearPicked();
  else if (key === 'enter' && !on.closest('button')) { if (closer.open) closer.close(); else openLarge(); }
  else if (key in KEYS && !event.repeat) KEYS[key]();
  else return;
  event.preventDefault();
}

// Up in the first row and down in the last stay where they are.
function step(key) {
  const to = steps()[key];
  return (key === 'arrowup' && to < 0) || (key === 'arrowdown' && to >= shown.length) ? focus : to;
}

document.addEventListener('keydown', onKey);
// Another tab's answers: only while this one is looked at, for a table costs more than a glance at its revision.
watch('value', () => { if (element.offsetParent) look(); });
new IntersectionObserver(([seen]) => { if (seen.isIntersecting) look(); }).observe(cellsBox);
look();
