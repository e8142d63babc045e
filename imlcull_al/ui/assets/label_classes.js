// The buttons of the classes or tags on the Label screen.
import { likelyTags } from './logic/label_likely.js';
import { colourOf, isTyped, labelOf, pressFor, spokenLabel, tagsOf } from './logic/task.js';
import { describe, write } from './writing.js';

// `typing`: see label_typing.js.
export function makeClasses({ find, say }, task, typing) {
  const buttons = task.classes.map((name, number) => makeButton(task, name, number));
  let photo = null, label = null; // what the tags were filled from
  let tags = [];                  // of the photo on screen: true, false, or null for unknown
  find('classes').append(...buttons);

  function show(next) {
    if (next !== photo || (next && next.label !== label)) tags = tagsOf(task, next?.label);
    [photo, label] = [next, next?.label];
    draw();
  }

  function draw() {
    const left = new Set(typing.left()), likely = new Set(photo?.likely && !task.isExclusive ? likelyTags(photo) : []);
    buttons.forEach((button, number) => {
      describe(button, 'hidden', !left.has(number));
      describe(button, 'disabled', !photo);
      if (task.isExclusive) { button.classList.toggle('given', task.classes[number] === label); return; }
      const isNew = Boolean(label) && tags[number] === null;
      describe(button, 'ariaPressed', isNew ? 'mixed' : String(tags[number] === true));
      write(button.note, isNew ? 'unknown' : (likely.has(number) ? 'likely' : ''));
    });
    if (isTyped(task)) say('typed', typing.words());
  }

  return {
    show,
    draw,
    toggle(number) { tags[Number(number)] = !tags[Number(number)]; draw(); },
    // Whether no tag was pressed since the photo came.
    isUntouched: () => tags.every((has, number) => has === tagsOf(task, label)[number]),
    // The label that the pressed tags make.
    chosen: () => labelOf(task, tags.map(Boolean)),
  };
}

function makeButton(task, name, number) {
  const button = document.createElement('button'), [what, label] = pressFor(task, number);
  button.innerHTML = '<span class="class-name"></span><small></small>';
  [button.firstElementChild.textContent, button.note] = [name, button.lastElementChild];
  Object.assign(button.dataset, { do: what, label });
  button.style.setProperty('--class', colourOf(number));
  button.title = name;
  if (!isTyped(task)) button.insertAdjacentHTML('beforeend', `<kbd>${number + 1}</kbd>`);
  return button;
}

// The bars of the likeliest classes: [{ number, name, share }].
export function drawBars(place, bars) {
  place.replaceChildren(...bars.map(({ number, name, share }) => {
    const line = document.createElement('li');
    line.innerHTML = '<span></span><i></i><span class="share"></span>';
    line.firstElementChild.textContent = name;
    line.lastElementChild.textContent = share;
    line.style.setProperty('--share', share);
    line.style.setProperty('--class', colourOf(number));
    return line;
  }));
}

// A thumbnail's answer, under it.
export function caption(task, button, label) {
  const number = tagsOf(task, label).indexOf(true), line = document.createElement('span');
  line.className = 'caption';
  line.textContent = spokenLabel(task, label);
  button.style.setProperty('--class', number < 0 ? 'var(--line)' : colourOf(number));
  button.append(line);
}
