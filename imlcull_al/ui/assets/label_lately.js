// The last answers on the Label screen, as thumbnails that show their photo again.
import { captionOf } from './logic/label_bursts.js';
import { spokenLately } from './logic/label_lately.js';
import { spokenLabel } from './logic/task.js';
import { describe, write } from './writing.js';

// `lately`: see logic/label_lately.js.
export function makeAnswered(find, task, lately) {
  const place = find('answered'), buttons = new Map(); // photo id → button

  // `key`: of the photo on screen. `hasBurst`: whether the strip beside it has frames; else the answers have its place.
  return function draw(key, hasBurst) {
    const list = lately.list(), ids = list.map(({ id }) => id);
    describe(find('below').dataset, 'alone', String(!hasBurst));
    describe(find('none-yet'), 'hidden', list.length > 0);
    for (const id of buttons.keys()) if (!ids.includes(id)) { buttons.get(id).remove(); buttons.delete(id); }
    for (const photo of list) {
      if (!buttons.has(photo.id)) buttons.set(photo.id, makeButton(photo));
      drawButton(buttons.get(photo.id), photo, photo.key === key);
    }
    const inOrder = ids.map((id) => buttons.get(id));
    if (inOrder.some((button, at) => place.children[at] !== button)) place.append(...inOrder);
  };

  function drawButton(button, photo, isShown) {
    const label = spokenLabel(task, photo.label);
    describe(button, 'ariaCurrent', String(isShown));
    describe(button, 'ariaLabel', spokenLately(photo, label));
    describe(button, 'title', button.ariaLabel);
    button.dataset.answer = photo.label;
    write(button.lastElementChild, captionOf({ label }));
  }
}

function makeButton({ key, id }) {
  const button = document.createElement('button');
  Object.assign(button.dataset, { do: 'again', label: key });
  button.innerHTML = '<img alt=""><span class="caption"></span>';
  button.firstElementChild.src = `photos/${id}/320`;
  return button;
}
