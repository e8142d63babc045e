// The buttons and menus of the classes on the Review screen, in another task than cull.
import { colourOf, isTyped } from './logic/task.js';

// `choose(filter)` shows some photos, `answer(name)` answers for the selected ones.
export function addMenus(element, task, { choose, answer }) {
  const order = element.querySelector('.order'), filters = element.querySelector('.by-class');
  order.querySelector('[value=time]').before(...task.classes.map((name) => new Option(`${name} first`, `class:${name}`)));
  if (isTyped(task)) {
    filters.append(new Option('Any', 'all'), ...task.classes.map((name) => new Option(name, `class:${name}`)));
    filters.addEventListener('change', () => choose(filters.value));
  } else filters.append(...task.classes.map((name, at) => button(name, at, { filter: `class:${name}` })));
  element.querySelectorAll('.choices').forEach((place) => {
    if (isTyped(task)) place.append(menu(task, answer));
    else place.append(...task.classes.map((name, at) => button(name, at, { answer: name })));
  });
}

function button(name, at, data) {
  const made = document.createElement('button');
  made.innerHTML = '<i></i> <span></span> <small></small>';
  made.querySelector('span').textContent = name;
  made.style.setProperty('--class', colourOf(at));
  Object.assign(made.dataset, data);
  if (data.filter) made.ariaPressed = 'false';
  return made;
}

function menu(task, answer) {
  const made = document.createElement('select');
  made.ariaLabel = 'Answer';
  made.append(new Option('Answer …', ''), ...task.classes.map((name) => new Option(name, name)));
  made.addEventListener('change', () => { if (made.value) answer(made.value); made.value = ''; });
  return made;
}
