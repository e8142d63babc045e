// The large view of the Review screen.
import { isReadable } from './logic/review_table.js';
import { number } from './logic/review_words.js';
import { write } from './writing.js';

const LARGE = 1600, SMALL = 320;

// `view`: table, names, threshold. `kind`: see review_sides.js. `address(row, size)`: URL of a photo.
export function drawLarge(find, view, kind, selection, address) {
  const row = selection.row(), focus = selection.focus(), shown = selection.shown();
  if (row === undefined) return;
  const { table, threshold } = view, name = view.photos.names[row], readable = isReadable(table, row);
  const next = shown[focus + 1], isNew = drawImage(find('.large'), readable ? [address(row, LARGE), address(row, SMALL)] : ['', ''], name);
  if (isNew && next !== undefined && isReadable(table, next)) new Image().src = address(next, LARGE); // prefetch
  write(find('.closer .why'), readable ? '' : `This photo can't be read: ${table.unreadable[row]}`);
  write(find('.closer .file'), name);
  const about = find('.closer .facts');
  about.className = `facts ${kind.factsClass(table, row, threshold)}`;
  write(about, [...kind.factsOf(table, row, threshold).slice(0, 2), `${focus + 1} of ${number(shown.length)}`].join(' · '));
  find('[data-do=previous]').disabled = focus === 0;
  find('[data-do=next]').disabled = focus === shown.length - 1;
  find('.closer').dataset.label = kind.textOf(table.labels[row]);
  find('.closer').querySelectorAll('.choices [data-answer]').forEach((button) => {
    button.classList.toggle('given', kind.has(table.labels[row], button.dataset.answer));
  });
}

// `small`: placeholder while the large one loads. Returns whether this is another photo than before.
export function drawImage(image, [large, small], name) {
  image.hidden = !large;
  image.alt = name;
  if (image.wanted === large) return false;
  image.wanted = large;
  image.removeAttribute('src');
  image.style.backgroundImage = small ? `url(${small})` : '';
  if (large) image.src = large;
  return true;
}
