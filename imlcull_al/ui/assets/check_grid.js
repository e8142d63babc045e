// A contact sheet on the page: one cell a photo, as large as the field allows. The photos of the next sheet are loaded and
// decoded ahead, so that it is painted at once.
import { countFor, layoutOf, previewFor } from './logic/check_layout.js';
import { factsOf, scoreOf } from './logic/check_words.js';
import { describe, write } from './writing.js';

const AGAIN = 3000; // milliseconds before a failed load is retried
let made = 0;

// `loaded()` is called whenever a photo of the sheet has come, or failed to.
export function makeSheetGrid(cells, names, loaded) {
  const pictures = new Map(); // key → <img>
  let shown = [], layout = layoutOf(cells.clientWidth, cells.clientHeight, 24);

  function address({ id }, side) { return `photos/${id}/${previewFor(side, window.devicePixelRatio || 1)}`; }

  function picture(photo) {
    const known = pictures.get(photo.key), wanted = address(photo, layout.side);
    if (known && known.wanted === wanted) return known;
    const image = new Image();
    Object.assign(image, { wanted, alt: '', draggable: false, decoding: 'async', state: 'loading' });
    const come = () => image.decode().then(() => 'there', () => 'failed').then((state) => {
      image.state = state;
      if (state === 'failed') setTimeout(() => { if (pictures.get(photo.key) === image) { image.src = ''; image.src = wanted; come(); } }, AGAIN);
      loaded();
    });
    image.src = wanted;
    pictures.set(photo.key, image);
    come();
    return image;
  }

  function makeCell(photo, position) {
    const cell = document.createElement('div');
    made += 1;
    Object.assign(cell, { className: 'cell', id: `check-cell-${made}`, photo, position, title: photo.key });
    cell.setAttribute('role', 'option');
    cell.innerHTML = '<span class="sign" aria-hidden="true">✓</span><span class="score"></span>';
    cell.prepend(picture(photo));
    write(cell.querySelector('.score'), scoreOf(photo.p_keep));
    return cell;
  }

  function measure() {
    if (!cells.clientWidth) return;
    layout = layoutOf(cells.clientWidth, cells.clientHeight, Math.max(shown.length, 1));
    cells.style.setProperty('--columns', layout.columns);
    cells.style.setProperty('--rows', layout.rows);
  }

  // Draw these photos; keep those and `next` loaded, and no others.
  function show(photos, next) {
    const isSame = photos.length === shown.length && photos.every((photo, at) => photo === shown[at]);
    shown = photos;
    measure();
    if (!isSame) cells.replaceChildren(...photos.map(makeCell));
    next.forEach(picture);
    const near = new Set([...photos, ...next].map(({ key }) => key));
    [...pictures.keys()].filter((key) => !near.has(key)).forEach((key) => pictures.delete(key));
  }

  function draw({ focus, isMarked, isGone }) {
    [...cells.children].forEach((cell, position) => {
      const marked = isMarked(cell.photo.key), gone = isGone(cell.photo.key);
      describe(cell, 'className', `cell${position === focus ? ' focused' : ''}${gone ? ' gone' : ''}`);
      describe(cell, 'ariaSelected', String(marked));
      describe(cell, 'ariaDisabled', gone ? 'true' : null);
      describe(cell, 'ariaLabel', factsOf(names, cell.photo, marked, gone));
    });
    const cell = cells.children[focus];
    if (cell) cells.setAttribute('aria-activedescendant', cell.id);
    else cells.removeAttribute('aria-activedescendant');
  }

  new ResizeObserver(measure).observe(cells);
  return {
    show,
    draw,
    // How many photos of the sheet are not on screen: still loading, and failed.
    missing() {
      const states = shown.map(({ key }) => pictures.get(key)?.state);
      return { loading: states.filter((state) => state !== 'there').length, failed: states.filter((state) => state === 'failed').length };
    },
    count: () => countFor(cells.clientWidth, cells.clientHeight),
    columns: () => layout.columns,
  };
}
