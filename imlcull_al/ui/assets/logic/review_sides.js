// How the Review screen tells the photos of the task cull apart: by the two sides of the threshold. review_classes.js has the
// same functions for other tasks. Photos have the codes of review_table.js.
import { filterOf } from './review_filters.js';
import { KEEP, decide } from './review_table.js';
import { CODES, SIDES, WORDS, factsOf, nothingIn } from './review_words.js';

export function makeSides() {
  return {
    // The table of a reply, with the codes of this page.
    read: (sent) => sent,
    textOf: (code) => WORDS[code],
    // Codes of photos that get an answer. `codes`: those they have.
    relabeled: (codes, label) => codes.map(() => CODES[label]),
    has: (code, label) => WORDS[code] === label,
    filterOf,
    nothingIn,
    factsOf,
    factsClass: (table, row, threshold) => WORDS[decide(table, row, threshold)],
    // The CSS classes of a cell, the text of its mark, and its color.
    lookOf(table, row, threshold) {
      const label = table.labels[row], score = table.scores[row];
      const isOverruled = label && score >= 0 && (score >= threshold) !== (label === KEEP);
      const look = `${SIDES[decide(table, row, threshold)]}${label ? ' labeled' : ''}${isOverruled ? ' overruled' : ''}`;
      return { look, mark: label ? (label === KEEP ? '✓' : '✕') : '', colour: '' };
    },
  };
}
