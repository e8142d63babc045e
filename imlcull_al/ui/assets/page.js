// What all screens of the page share: a module is loaded once.
import { makeAct } from './logic/act.js';
import { listen, makeHands } from './logic/hands.js';
import { makeOutbox } from './logic/outbox.js';
import { recall, remember } from './memory.js';
import { afterPaint, guardLeaving } from './page_life.js';
import { makeStore } from './logic/press_store.js';
import { makeThreshold } from './logic/threshold.js';

const inAllTabs = () => localStorage;
export const threshold = makeThreshold((name) => recall(name, inAllTabs), (name, value) => remember(name, value, inAllTabs));
export const act = makeAct(() => !outbox.pending().length, () => location.reload(), threshold.open);
export const outbox = makeOutbox({ act, store: makeStore(() => sessionStorage), later: afterPaint });
export const hands = makeHands();

guardLeaving(outbox);
listen(document, hands);
