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
// the photo. `isByTime`: mark the bursts.
export function drawCell(cell, position, { table, threshold, selection, kind, name, isByTime }) {
  const row = selection.shown()[position], score = table.scores[row];
  const { look: own, mark, colour } = kind.lookOf(table, row, threshold);
  const look = `cell ${own}`
    + `${position === selection.focus() ? ' focused' : ''}${selection.has(row) ? ' chosen' : ''}`
    + (isByTime ? placeInBurst(table, selection.shown(), position) : '');
  describe(cell, 'className', look);
  write(cell.mark, mark);
  if (cell.colour !== colour) { cell.colour = colour; cell.style.setProperty('--class', colour); }
  write(cell.why, table.unreadable[row] || '');
  const [head, tail] = partsOf(name);
  write(cell.head, head);
  write(cell.tail, tail);
  write(cell.score, score >= 0 ? percent(score) : '');
  describe(cell, 'ariaLabel', [name, ...kind.factsOf(table, row, threshold)].join(' · '));
  describe(cell, 'title', name);
  describe(cell, 'ariaSelected', String(selection.has(row)));
  describe(cell, 'ariaPosInSet', String(position + 1));
  describe(cell, 'ariaSetSize', String(selection.shown().length));
}
