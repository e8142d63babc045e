// The filmstrip on the Label screen: the frames of the burst of the photo on screen.
import { captionOf, spokenFrame, spokenWhole, wholeBurst } from './logic/label_bursts.js';
import { spokenLabel } from './logic/task.js';
import { describe, write } from './writing.js';

export function makeStrip(find, task) {
  const frames = find('frames'), whole = find('whole'), bracket = find('bracket'), sideBySide = find('side-by-side');
  const fetched = new Map(); // photo id → an image that keeps the thumbnail of a likely next strip in memory
  let shown = '';            // ids of the frames in the strip

  function draw(photo, burst) {
    const list = burst?.frames || [], ids = list.map(({ id }) => id).join();
    if (ids !== shown) frames.replaceChildren(...list.map(makeFrame));
    shown = ids;
    list.forEach((frame, number) => drawFrame(frames.children[number], frame, frame.key === photo.key, frame.key === burst.sharpest));
    if (!task.isCull) return;
    const words = spokenWhole(wholeBurst(burst, photo));
    write(whole.firstElementChild, words);
    describe(whole, 'hidden', !words);
    describe(bracket, 'hidden', !burst?.bracket);
    describe(sideBySide, 'hidden', !burst);
  }

  function drawFrame(button, frame, isShown, isSharpest) {
    const label = frame.label && spokenLabel(task, frame.label);
    describe(button, 'ariaCurrent', String(isShown));
    describe(button, 'ariaLabel', spokenFrame(frame, label, isSharpest));
    describe(button, 'title', button.ariaLabel);
    button.dataset.answer = frame.label || '';
    write(button.lastElementChild, captionOf({ ...frame, label }));
    describe(button.querySelector('small'), 'hidden', !isSharpest);
  }

  return {
    draw,
    // Once the photo is painted: scroll to its frame, and fetch the thumbnails of the bursts that come next.
    rest(bursts) {
      const frame = frames.querySelector('[aria-current=true]'); // scrollIntoView would scroll the page, too
      if (frame) frames.scrollLeft = frame.offsetLeft + (frame.offsetWidth - frames.clientWidth) / 2;
      const next = bursts.flatMap((burst) => burst?.frames || []).map(({ id }) => id);
      next.filter((id) => !fetched.has(id)).forEach((id) => { fetched.set(id, thumbnail(id)); });
      fetched.forEach((image, id) => { if (!next.includes(id)) fetched.delete(id); });
    },
  };
}

function makeFrame({ key, id }) {
  const button = document.createElement('button'), image = thumbnail(id);
  Object.assign(button.dataset, { do: 'frame', label: key });
  button.append(image);
  button.insertAdjacentHTML('beforeend', '<small hidden>sharpest</small><span class="caption"></span>');
  return button;
}

function thumbnail(id) {
  const image = new Image();
  image.alt = '';
  image.src = `photos/${id}/320`;
  return image;
}
