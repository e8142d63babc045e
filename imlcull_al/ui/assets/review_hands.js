// Input on the Review screen: clicks, touch and keys.
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

// The element that takes photo shortcuts: the large view while open, else the grid.
function hold() { return closer.open ? closer : cellsBox; }

let clicked = null; // the cell of the first click of a double click
element.addEventListener('click', (event) => {
  if (!table) return;
  const button = event.target.closest('button'), cell = event.target.closest('.cell'), isSecond = hands.isSecond();
  const isAnswer = event.target.closest('[data-answer]');
  if (isSecond && (isAnswer || (cell && cell !== clicked))) return; // a double click answers once, and never the photo that moved under the pointer
  if (!isSecond) clicked = cell;
  if (button && event.detail) hold().focus({ preventScroll: true }); // by pointer, not keyboard: return focus to the photos
  if (button && button.dataset.filter) choose(button.dataset.filter);
  else if (button && button.dataset.answer) answer(button.dataset.answer);
  else if (button && button.dataset.do) DOES[button.dataset.do]();
  else if (cell) clickCell(cell.position, event);
});

// A long press starts a range; the next tap ends it.
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
  const cell = event.target.closest('.cell');
  if (cell && cell === clicked && !event.target.dataset.answer) openLarge();
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
  if (!table || !element.offsetParent) return;
  const key = event.key.toLowerCase(), isHeld = hands.isHeld();
  if (isHeld && event.target.closest?.('[data-answer]')) event.preventDefault(); // a held Enter would keep clicking
  else if (isForAll(event)) { pickAll(); event.preventDefault(); }
  else if (isForPhoto(event, hold()) && strike(key, event.shiftKey, isHeld)) event.preventDefault();
}

function isForAll(event) {
  const isAll = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'a';
  return isAll && !closer.open && handIsOn(event.target, cellsBox) !== 'field';
}

// Handle a key; false if it has no meaning here. A held key moves through the photos but never answers.
function strike(key, isRange, isHeld) {
  if (key in steps()) {
    hold().focus({ preventScroll: true });
    moveTo(step(key), isRange && !closer.open);
  } else if (isHeld) return false;
  else if (key === 'escape' && !closer.open) clearPicked();
  else if (key === 'enter') { if (closer.open) closer.close(); else openLarge(); }
  else if (key in KEYS) KEYS[key]();
  else return false;
  return true;
}

// Up in the first row and down in the last are no-ops.
function step(key) {
  const to = steps()[key];
  return (key === 'arrowup' && to < 0) || (key === 'arrowdown' && to >= shown.length) ? focus : to;
}

document.addEventListener('keydown', onKey);
// Pick up other tabs' answers, but only while visible: fetching a table is expensive.
watch('value', () => { if (element.offsetParent) look(); });
new IntersectionObserver(([seen]) => { if (seen.isIntersecting) look(); }).observe(cellsBox);
outbox.join({ isThere: () => element.isConnected, took, said: tell });
look();
