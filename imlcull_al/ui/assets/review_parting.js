// The threshold on the Review screen: counts, histogram and slider.
import { countEach } from './logic/review_filters.js';
import { BINS, CULL, KEEP, STEPS, countSides, histogram } from './logic/review_table.js';
import { number, othersOf, percent } from './logic/review_words.js';
import { write } from './writing.js';

export function drawParting(find, table, threshold) {
  const counts = countSides(table, threshold), slider = find('.threshold');
  write(find('.kept-count'), number(counts.kept));
  write(find('.culled-count'), number(counts.culled));
  write(find('.others'), othersOf(counts));
  write(find('output'), percent(threshold));
  slider.value = threshold * 100 / STEPS;
  slider.ariaValueText = `${percent(threshold)}: ${number(counts.kept)} kept, ${number(counts.culled)} culled`;
  find('.cull-side').style.transform = `scaleX(${threshold / STEPS})`;
}

const RARE = new Set(['copies', 'damaged', 'unreadable']);

// How many photos each filter shows. Those that no threshold changes are hidden while they would show none.
export function drawCounts(element, { table, threshold }, named) {
  const chips = [...element.querySelectorAll('button[data-filter]')];
  countEach(table, threshold, chips.map((chip) => chip.dataset.filter), named).forEach((count, at) => {
    write(chips[at].querySelector('small'), number(count));
    chips[at].hidden = RARE.has(chips[at].dataset.filter) && !count && chips[at].ariaPressed !== 'true';
  });
}

// Histogram of scores: unlabeled photos as the background, keep and cull labels side by side in front. Square-root scale,
// so that a single photo stays visible.
export function drawHistogram(find, table) {
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
