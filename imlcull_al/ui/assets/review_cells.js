// One photo in the grid of the Review screen.
import { KEEP, decide, placeInBurst } from './logic/review_table.js';
import { SIDES, factsOf, percent } from './logic/review_words.js';
import { describe, write } from './writing.js';

let made = 0;

export function makeCell() {
  const cell = document.createElement('div');
  made += 1;
  cell.className = 'cell';
  cell.id = `review-cell-${made}`;
  cell.setAttribute('role', 'option');
  cell.innerHTML = '<img alt="" decoding="async" draggable="false"><span class="why"></span><span class="mark"></span>'
    + '<span class="pick" data-answer="cull" title="Cull (C)">✕</span>'
    + '<span class="pick" data-answer="keep" title="Keep (K)">✓</span>'
    + '<span class="file"></span><span class="score"></span>';
  cell.image = cell.firstElementChild;
  [cell.why, cell.mark, , , cell.file, cell.score] = cell.querySelectorAll('span');
  return cell;
}

// Draw the photo at a position of `selection` (review_selection.js). `name`: of the photo. `isByTime`: mark the bursts.
export function drawCell(cell, position, { table, threshold, selection, name, isByTime }) {
  const row = selection.shown()[position], label = table.labels[row], score = table.scores[row];
  const side = decide(table, row, threshold);
  const isOverruled = label && score >= 0 && (score >= threshold) !== (label === KEEP);
  const look = `cell ${SIDES[side]}${label ? ' labeled' : ''}${isOverruled ? ' overruled' : ''}`
    + `${position === selection.focus() ? ' focused' : ''}${selection.has(row) ? ' chosen' : ''}`
    + (isByTime ? placeInBurst(table, selection.shown(), position) : '');
  describe(cell, 'className', look);
  write(cell.mark, label ? (label === KEEP ? '✓' : '✕') : '');
  write(cell.why, table.unreadable[row] || '');
  write(cell.file, name);
  write(cell.score, score >= 0 ? percent(score) : '');
  describe(cell, 'ariaLabel', [name, ...factsOf(table, row, threshold)].join(' · '));
  describe(cell, 'title', name);
  describe(cell, 'ariaSelected', String(selection.has(row)));
  describe(cell, 'ariaPosInSet', String(position + 1));
  describe(cell, 'ariaSetSize', String(selection.shown().length));
}
