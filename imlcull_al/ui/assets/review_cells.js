// One photo in the grid of the Review screen.
import { placeInBurst } from './logic/review_table.js';
import { partsOf, percent } from './logic/review_words.js';
import { describe, write } from './writing.js';

const PICKS = '<span class="pick" data-answer="cull" title="Cull">✕</span>'
  + '<span class="pick" data-answer="keep" title="Keep">✓</span>';
let made = 0;

// `hasPicks`: whether the pointer finds buttons on it.
export function makeCell(hasPicks) {
  const cell = document.createElement('div');
  made += 1;
  cell.className = 'cell';
  cell.id = `review-cell-${made}`;
  cell.setAttribute('role', 'option');
  cell.innerHTML = '<img alt="" decoding="async" draggable="false"><span class="why"></span><span class="mark"></span>'
    + (hasPicks ? PICKS : '')
    + '<span class="file"><span class="head"></span><span class="tail"></span></span><span class="score"></span>';
  cell.image = cell.firstElementChild;
  for (const part of ['why', 'mark', 'head', 'tail', 'score']) cell[part] = cell.querySelector(`.${part}`);
  return cell;
}

// Draw the photo at a position of `selection` (review_selection.js). `kind`: see review_sides.js. `name`: of
// the photo. `isByTime`: mark the bursts. `leaving`: rows that are offered to be culled.
export function drawCell(cell, position, { table, threshold, selection, kind, name, isByTime, leaving }) {
  const row = selection.shown()[position], score = table.scores[row];
  const { look: own, mark, colour } = kind.lookOf(table, row, threshold);
  const look = `cell ${own}`
    + `${position === selection.focus() ? ' focused' : ''}${selection.has(row) ? ' chosen' : ''}`
    + (leaving.has(row) ? ' leaving' : '')
    + (isByTime ? placeInBurst(table, selection.shown(), position) : '');
  describe(cell, 'className', look);
  write(cell.mark, mark);
  if (cell.colour !== colour) { cell.colour = colour; cell.style.setProperty('--class', colour); }
  write(cell.why, table.unreadable[row] || '');
  const [head, tail] = partsOf(name);
  write(cell.head, head);
  write(cell.tail, tail);
  write(cell.score, score >= 0 ? percent(score) : '');
  const facts = [name, ...kind.factsOf(table, row, threshold), leaving.has(row) && 'would be culled'];
  describe(cell, 'ariaLabel', facts.filter(Boolean).join(' · '));
  describe(cell, 'title', name);
  describe(cell, 'ariaSelected', String(selection.has(row)));
  describe(cell, 'ariaPosInSet', String(position + 1));
  describe(cell, 'ariaSetSize', String(selection.shown().length));
}

// The header of a section. Its button keeps the best frame of a moment that keeps nothing.
export function makeHead() {
  const head = document.createElement('div');
  head.className = 'head-of-moment';
  head.innerHTML = '<span></span><button data-do="keep-best" hidden>Keep best</button>';
  return head;
}

export function drawHead(head, words, burst) {
  write(head.firstElementChild, words);
  const button = head.lastElementChild;
  describe(button, 'hidden', burst === null);
  describe(button, 'ariaLabel', burst === null ? '' : `Keep best: ${words}`);
  head.burst = burst;
}
