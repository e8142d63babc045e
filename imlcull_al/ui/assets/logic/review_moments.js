// Moments on the Review screen: the frames of one burst. Columns of `table` as in review_table.js; `bursts`: number of each
// row's burst, −1 for none; `brackets`: numbers of exposure brackets, whose frames are no alternatives; `times`: first
// capture time of each burst in seconds, null if unknown.
import { CULL, KEEP, decide } from './review_table.js';
import { number } from './review_words.js';

// What each burst comes to at a threshold: counts by burst number.
export function weigh(table, threshold) {
  const counts = () => new Int32Array(table.times.length), weights = { frames: counts(), kept: counts(), lost: counts(), open: counts() };
  table.bursts.forEach((burst, row) => {
    if (burst < 0) return;
    const side = decide(table, row, threshold);
    weights.frames[burst] += 1;
    if (side === KEEP) weights.kept[burst] += 1;
    else if (side !== CULL) weights.open[burst] += 1;
    else if (!table.labels[row]) weights.lost[burst] += 1;
  });
  return weights;
}

export function isMoment({ brackets }, { frames }, burst) { return burst >= 0 && frames[burst] > 1 && !brackets.has(burst); }

// Whether a moment keeps nothing. One whose frames were all culled by a person is decided.
export function isEmptied(table, weights, burst) {
  return isMoment(table, weights, burst) && !weights.kept[burst] && !weights.open[burst] && weights.lost[burst] > 0;
}

export function isCrowded(table, weights, burst) { return isMoment(table, weights, burst) && weights.kept[burst] > 1; }

// The rows with the highest score, of those without an answer, one for each of these bursts.
export function bestOf(table, bursts) {
  const best = new Map();
  table.bursts.forEach((burst, row) => {
    if (!bursts.has(burst) || table.labels[row]) return;
    if (!best.has(burst) || table.scores[row] > table.scores[best.get(burst)]) best.set(burst, row);
  });
  return [...best.values()];
}

// Numbers of the moments that keep nothing.
export function emptied(table, threshold) {
  const weights = weigh(table, threshold), found = new Set();
  table.times.forEach((_, burst) => { if (isEmptied(table, weights, burst)) found.add(burst); });
  return found;
}

// Rows that the scores keep although their moment keeps `most` better ones. Answers come first and stay, so a moment keeps
// at least one frame.
export function beyond(table, threshold, most) {
  const weights = weigh(table, threshold), kept = new Map();
  table.bursts.forEach((burst, row) => {
    if (!isCrowded(table, weights, burst) || decide(table, row, threshold) !== KEEP) return;
    if (kept.has(burst)) kept.get(burst).push(row); else kept.set(burst, [row]);
  });
  const answered = (row) => Number(table.labels[row] > 0);
  return [...kept.values()].flatMap((rows) => rows
    .toSorted((one, other) => answered(other) - answered(one) || table.scores[other] - table.scores[one])
    .slice(most).filter((row) => !table.labels[row]));
}

// The list in sections, one for each moment; single photos in a row share one. `from`: first position.
export function sectionsOf({ bursts }, { frames }, shown) {
  const sections = [];
  shown.forEach((row, from) => {
    const burst = bursts[row], isSingle = burst >= 0 && frames[burst] === 1, last = sections.at(-1);
    if (last && (last.last === burst || (last.isSingle && isSingle))) Object.assign(last, { count: last.count + 1, last: burst });
    else sections.push({ from, count: 1, first: burst, last: burst, isSingle });
  });
  return sections;
}

// The header of a section: `09:03 · 10 frames · keeps 0`.
export function headOf(table, weights, shown, { from, count, first, last, isSingle }, threshold) {
  const kept = () => shown.slice(from, from + count).filter((row) => decide(table, row, threshold) === KEEP).length;
  if (first < 0) return `${plural(count, 'photo')} without a moment · keeps ${number(kept())}`;
  const time = [...new Set([first, last].map((burst) => timeOf(table, burst)).filter(Boolean))].join('–');
  const what = isSingle ? plural(count, 'single photo')
    : `${plural(weights.frames[first], 'frame')}${table.brackets.has(first) ? ', exposure bracket' : ''}`;
  return [time, what, `keeps ${number(isSingle ? kept() : weights.kept[first])}`].filter(Boolean).join(' · ');
}

// `09:03`, with the day where the photos are of several days; empty if unknown. The camera's clock, whatever the zone here.
function timeOf({ times, isManyDays }, burst) {
  if (times[burst] === null) return '';
  const date = new Date(times[burst] * 1000), clock = date.toISOString().slice(11, 16);
  return isManyDays ? `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })} ${clock}` : clock;
}

export function areManyDays(times) {
  const days = new Set(times.filter((time) => time !== null).map((time) => Math.floor(time / 86400)));
  return days.size > 1;
}

export function plural(count, noun) { return `${number(count)} ${noun}${count === 1 ? '' : 's'}`; }
