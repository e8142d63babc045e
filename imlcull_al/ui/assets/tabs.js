// Reopen the same tab after a reload.
import { recall, remember } from './memory.js';

const MEMORY = 'imlcull tab';

let isChosen = false; // a person chose a tab on this page

export function start() {
  document.addEventListener('click', (event) => {
    const tab = event.target.closest('button[role=tab]');
    if (!tab) return;
    isChosen ||= event.isTrusted;
    remember(MEMORY, tab.textContent.trim());
    if (event.detail) tab.blur(); // by pointer, not keyboard: leave the arrow keys to the tab's content
  });
  const remembered = recall(MEMORY);
  if (remembered) open(remembered, 40); // on a public page the tabs appear a moment later
}

function open(name, tries) {
  if (isChosen) return;
  const tab = [...document.querySelectorAll('button[role=tab]')].find(
    (each) => each.textContent.trim() === name && each.offsetParent);
  if (tab && tab.ariaSelected !== 'true') tab.click();
  else if (!tab && tries > 1) setTimeout(open, 100, name, tries - 1);
}
