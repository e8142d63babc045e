// What all screens of the page share: a module is loaded once.
import { makeAct } from './logic/act.js';
import { listen, makeHands } from './logic/hands.js';
import { makeOutbox } from './logic/outbox.js';
import { recall, remember } from './memory.js';
import { afterPaint, guardLeaving } from './page_life.js';
import { makeStore } from './logic/press_store.js';
import { makeAim } from './logic/aims.js';
import { makePreset } from './logic/presets.js';

const inAllTabs = () => localStorage;
const storage = [(name) => recall(name, inAllTabs), (name, value) => remember(name, value, inAllTabs)];
export const preset = makePreset(...storage);
export const threshold = makeAim('threshold', 50, ...storage), target = makeAim('target', 5, ...storage);
export const act = makeAct(() => !outbox.pending().length, () => location.reload(), (here) => {
  threshold.open(here);
  target.open(here);
});
export const outbox = makeOutbox({ act, store: makeStore(() => sessionStorage), later: afterPaint });
export const hands = makeHands();

guardLeaving(outbox);
listen(document, hands);
