// Pure functions on the table from the server: columns with one row per photo, in name order. Scores are integers in
// units of 1/STEPS, rounded down (review.py), so integer comparison here agrees with p_keep on the server.
export const STEPS = 10000, BINS = 50;
export const KEEP = 1, CULL = 2;

// Mirrors cull.decide: a label overrides the score, unreadable photos are kept. 0 while undecided.
export function decide(table, row, threshold) {
  if (table.labels[row]) return table.labels[row];
  if (table.scores[row] >= 0) return table.scores[row] >= threshold ? KEEP : CULL;
  return row in table.unreadable ? KEEP : 0;
}

export function countSides(table, threshold) {
  const found = { kept: 0, culled: 0, labeled: 0, unreadable: 0, open: 0 };
  for (let row = 0; row < table.labels.length; row += 1) {
    const side = decide(table, row, threshold);
    if (side === KEEP) found.kept += 1;
    else if (side === CULL) found.culled += 1;
    else found.open += 1;
    if (table.labels[row]) found.labeled += 1;
    else if (row in table.unreadable) found.unreadable += 1;
  }
  return found;
}

// Ties keep name order; photos without a score or time sort last in either direction.
const last = (value) => (value < 0 ? Infinity : value);
const burstsFirst = (table, within) => (one, other) => {
  const apart = last(table.bursts[one]) - last(table.bursts[other]);
  return (Number.isNaN(apart) ? 0 : apart) || within(one, other);
};
const SORTS = {
  score: (table) => (one, other) => table.scores[other] - table.scores[one],
  worst: (table) => {
    const rank = (row) => (table.scores[row] < 0 ? STEPS + 1 : table.scores[row]);
    return (one, other) => rank(one) - rank(other);
  },
  time: (table) => burstsFirst(table, (one, other) => table.ranks[one] - table.ranks[other]),
  burst: (table) => burstsFirst(table, (one, other) => (table.brackets.has(table.bursts[one])
    ? table.ranks[one] - table.ranks[other] : table.scores[other] - table.scores[one])),
  copies: (table) => (one, other) => last(table.copies[one]) - last(table.copies[other]) || one - other,
  name: () => (one, other) => one - other,
};

const SORTED = new WeakMap(); // table → sort → all rows in that order, which answers don't change

// The rows that are shown, in order.
export function arrangeRows(table, sort, isShown) {
  if (!SORTED.has(table)) SORTED.set(table, {});
  const known = SORTED.get(table);
  known[sort] ??= [...table.labels.keys()].sort(SORTS[sort](table));
  return known[sort].filter(isShown);
}

// CSS class for a photo's position in its burst when sorted by time: '' if alone, else begins, goes-on or ends.
export function placeInBurst(table, shown, position) {
  const burst = table.bursts[shown[position]];
  if (burst < 0) return '';
  const before = position > 0 && table.bursts[shown[position - 1]] === burst;
  const after = position + 1 < shown.length && table.bursts[shown[position + 1]] === burst;
  if (!before) return after ? ' begins' : '';
  return after ? ' goes-on' : ' ends';
}

// Photo counts per score bin: [unlabeled, keep, cull], each an array of length BINS.
export function histogram(table) {
  const counts = [0, KEEP, CULL].map(() => new Array(BINS).fill(0));
  table.scores.forEach((score, row) => {
    if (score >= 0) counts[table.labels[row]][Math.min(Math.floor(score * BINS / STEPS), BINS - 1)] += 1;
  });
  return counts;
}

// Whether a photo lies beyond the threshold, in an order by score.
export function isPast(score, sort, threshold) {
  return sort === 'worst' ? score < 0 || score >= threshold : score < threshold;
}

export function hasScores({ scores }) { return scores.some((score) => score >= 0); }

export function isReadable(table, row) { return !(row in table.unreadable); }
