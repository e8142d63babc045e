// The threshold on the Review screen: counts, histogram and slider.
function drawParting() {
  const counts = countSides(table, threshold), number = (value) => value.toLocaleString('en');
  const others = [[counts.labeled, 'decided by you'], [counts.unreadable, 'unreadable'], [counts.open, 'without a score']];
  write(find('.kept-count'), number(counts.kept));
  write(find('.culled-count'), number(counts.culled));
  write(find('.others'), others.filter(([value]) => value).map(([value, name]) => `, ${number(value)} ${name}`).join(''));
  write(find('output'), percent(threshold));
  slider.value = threshold * 100 / STEPS;
  slider.ariaValueText = `${percent(threshold)}: ${number(counts.kept)} kept, ${number(counts.culled)} culled`;
  find('.cull-side').style.transform = `scaleX(${threshold / STEPS})`;
}

// Histogram of scores: unlabeled photos as the background, keep and cull labels side by side in front. Square-root scale,
// so that a single photo stays visible.
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
  if (edge >= 0 && (sorting.value === 'score' || sorting.value === 'worst')) grid.scrollTo(edge, true); // show the photos at the threshold
  grid.redraw();
}

function isPast(score) { return sorting.value === 'worst' ? score < 0 || score >= threshold : score < threshold; }

function remembered() {
  try {
    const value = Number(localStorage.getItem(photos.threshold) ?? 0.5);
    return value >= 0 && value <= 1 ? Math.round(value * 100) * STEPS / 100 : STEPS / 2;
  } catch { return STEPS / 2; } // storage is disabled
}

function remember() {
  try { localStorage.setItem(photos.threshold, threshold / STEPS); } catch { /* storage is disabled */ }
}
