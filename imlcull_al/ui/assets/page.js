// What all screens of the page share: a module is loaded once.
import { makeAct } from './logic/act.js';
import { listen, makeHands } from './logic/hands.js';
import { makeOutbox } from './logic/outbox.js';
import { afterPaint, guardLeaving } from './page_life.js';
import { makeStore } from './logic/press_store.js';

export const act = makeAct(() => !outbox.pending().length, () => location.reload());
export const outbox = makeOutbox({ act, store: makeStore(() => sessionStorage), later: afterPaint });
export const hands = makeHands();

guardLeaving(outbox);
listen(document, hands);
