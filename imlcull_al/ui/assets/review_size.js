// The slider for the size of thumbnails; the browser remembers it.
import { recall, remember } from './memory.js';

const MEMORY = 'imlcull thumbnails', USUAL = 152;
const inAllTabs = () => localStorage;

export function addSize(slider, grid, resized) {
  const known = Number(recall(MEMORY, inAllTabs));
  slider.value = known || USUAL;
  if (known) grid.resize(known);
  slider.addEventListener('input', () => {
    grid.resize(Number(slider.value));
    resized();
  });
  slider.addEventListener('change', () => remember(MEMORY, slider.value, inAllTabs));
}
