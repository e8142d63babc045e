// The keys of the preset, written on buttons and in lists: [data-key-of] has the first, [data-keys-of] all of them.
import { PRESETS } from './logic/presets.js';
import { preset } from './page.js';
import { write } from './writing.js';

export function showKeys(root) {
  preset.follow(() => root.isConnected, () => {
    root.querySelectorAll('[data-key-of]').forEach((place) => write(place, preset.keysOf(place.dataset.keyOf)[0]));
    root.querySelectorAll('[data-keys-of]').forEach((place) => {
      place.innerHTML = preset.keysOf(place.dataset.keysOf).map((key) => `<kbd>${key}</kbd>`).join(' ');
    });
  });
}

// A menu to choose the preset.
export function addPresets(menu) {
  menu.append(...Object.entries(PRESETS).map(([name, { title }]) => new Option(title, name)));
  preset.follow(() => menu.isConnected, () => { menu.value = preset.name(); });
  menu.addEventListener('change', () => preset.choose(menu.value));
}
