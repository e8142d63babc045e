// Light or dark: as the system has it, or as chosen in the menu, which the browser remembers.
import { recall, remember } from './memory.js';

const MEMORY = 'imlcull appearance';
const inAllTabs = () => localStorage;

export function start(element) {
  const menu = element.querySelector('select'), system = matchMedia('(prefers-color-scheme: dark)');
  const isInAddress = new URLSearchParams(location.search).has('__theme'); // Gradio follows it

  function draw() {
    if (menu.value === 'system' && isInAddress) return;
    document.body.classList.toggle('dark', menu.value === 'system' ? system.matches : menu.value === 'dark');
  }

  const known = recall(MEMORY, inAllTabs);
  if ([...menu.options].some((option) => option.value === known)) menu.value = known;
  menu.addEventListener('change', () => {
    remember(MEMORY, menu.value, inAllTabs);
    draw();
    menu.blur(); // leave the keys to the photos
  });
  system.addEventListener('change', draw); // after Gradio, which would follow the system
  draw();
}
