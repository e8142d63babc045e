// The large view of the Check screen: a photo of the sheet, or one that is asked again.
import { factsOf } from './logic/check_words.js';
import { drawImage } from './review_large.js';
import { write } from './writing.js';

const LARGE = 1600, SMALL = 320;

function addressesOf({ id }) { return [`photos/${id}/${LARGE}`, `photos/${id}/${SMALL}`]; }

// Load a photo before it is shown large.
export function prefetch(photo) { if (photo) new Image().src = addressesOf(photo)[0]; }

// Whether a photo is on screen, large.
export function isDrawn(find, photo) {
  const image = find('.large');
  return image.wanted === addressesOf(photo)[0] && image.complete && image.naturalWidth > 0;
}

// `place`: position of a photo of the sheet, and how many it has; null for a photo that is asked again.
export function drawLarge(find, names, photo, { isMarked, isGone, place }) {
  const isAsked = place === null;
  find('.of-sheet').hidden = isAsked;
  find('.of-asked').hidden = !isAsked;
  drawImage(find('.large'), addressesOf(photo), photo.key);
  write(find('.closer .file'), photo.key);
  if (isAsked) {
    write(find('.closer .facts'), `Asked again, in full size: is this a ${names.one}?`);
    return;
  }
  const [, ...facts] = factsOf(names, photo, isMarked, isGone).split(' · ');
  write(find('.closer .facts'), [...facts, `${place.position + 1} of ${place.count}`].join(' · '));
  find('.mark').ariaPressed = String(isMarked);
  find('.mark').disabled = isGone;
  find('[data-do=previous]').disabled = place.position === 0;
  find('[data-do=next]').disabled = place.position === place.count - 1;
}
