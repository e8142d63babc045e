// Which photos of the task cull the Review screen shows: one filter a chip. A filter is a function of the table and the
// threshold, see review_table.js, that returns whether a row is shown.
import { beyond, isCrowded, isEmptied, weigh } from './review_moments.js';
import { CULL, KEEP, decide } from './review_table.js';

const FILTERS = {
  all: () => () => true,
  labeled: ({ labels }) => (row) => labels[row] > 0,
  unlabeled: ({ labels }) => (row) => labels[row] === 0,
  kept: (table, threshold) => (row) => decide(table, row, threshold) === KEEP,
  culled: (table, threshold) => (row) => decide(table, row, threshold) === CULL,
  close: ({ scores, labels, near }, threshold) => (row) => !labels[row] && scores[row] >= Math.max(threshold - near, 0)
    && scores[row] < threshold + near,
  emptied: (table, threshold) => ofMoments(table, threshold, isEmptied),
  crowded(table, threshold) {
    const isShown = ofMoments(table, threshold, isCrowded);
    return (row) => isShown(row) && decide(table, row, threshold) === KEEP;
  },
  // The kept frames of the moments that keep more than `table.most`: those that would go, and those that would stay.
  beyond(table, threshold) {
    const bursts = new Set(beyond(table, threshold, table.most).map((row) => table.bursts[row]));
    return (row) => bursts.has(table.bursts[row]) && decide(table, row, threshold) === KEEP;
  },
  copies: ({ copies }) => (row) => copies[row] >= 0,
  damaged: ({ damaged }) => (row) => damaged.has(row),
  unreadable: ({ unreadable }) => (row) => row in unreadable,
};
const BY_MOMENT = new Set(['emptied', 'crowded']), BY_THRESHOLD = new Set(['kept', 'culled', 'close', 'emptied', 'crowded', 'beyond']);
const ORDERS = { emptied: 'burst', crowded: 'burst', beyond: 'burst', copies: 'copies' };

function ofMoments(table, threshold, isIt) {
  const weights = weigh(table, threshold);
  return (row) => isIt(table, weights, table.bursts[row]);
}

export function filterOf(name) { return FILTERS[name]; }

export function isByThreshold(name) { return BY_THRESHOLD.has(name); }

// The order in which a filter is shown at first; undefined for any.
export function usualOrder(name) { return ORDERS[name]; }

// How many photos, or moments, each of the filters `names` shows. `named(name)`: the filter of that name.
export function countEach(table, threshold, names, named = filterOf) {
  return names.map((name) => {
    const isShown = named(name)(table, threshold), shown = [...table.labels.keys()].filter(isShown);
    return BY_MOMENT.has(name) ? new Set(shown.map((row) => table.bursts[row])).size : shown.length;
  });
}
