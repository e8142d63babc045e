// Which keys keep, cull and compare: as here, or as in another program. Of each, the first is the one that is shown. Numbers
// and the other keys are the same in all. Knows nothing of the page.
export const PRESETS = {
  imlcull: { title: 'imlcull', keep: ['k', 'p'], cull: ['c', 'x'], compare: ['b'] },
  lightroom: { title: 'Lightroom', keep: ['p', 'k'], cull: ['x'], compare: ['c', 'n', 'b'] },
  photomechanic: { title: 'Photo Mechanic', keep: ['t', '+', '=', 'k', 'p'], cull: ['x', '-', 'c'], compare: ['b'] },
};
const MEMORY = 'imlcull keys', USUAL = 'imlcull';

// `recall(name)` and `remember(name, value)` reach the browser's storage.
export function makePreset(recall, remember) {
  let followers = [];
  const name = () => { const known = recall(MEMORY); return known && Object.hasOwn(PRESETS, known) ? known : USUAL; };
  const means = (key, what) => PRESETS[name()][what].includes(key);

  return {
    name,
    choose(chosen) {
      remember(MEMORY, chosen);
      followers = followers.filter(({ isThere }) => isThere());
      followers.forEach(({ changed }) => changed());
    },
    // Call `changed()` now and whenever another preset is chosen, while `isThere()`.
    follow(isThere, changed) { followers.push({ isThere, changed }); changed(); },
    // What an answering key says, as letterOf in keys.js names it; null for other keys.
    answerOf: (key) => ['keep', 'cull'].find((what) => means(key, what)) ?? null,
    isCompare: (key) => means(key, 'compare'),
    // The keys of `keep`, `cull` or `compare` as they are written on a keyboard.
    keysOf: (what) => PRESETS[name()][what].map((key) => key.toUpperCase()),
  };
}
