// The outbox: delivers presses to the server in order, one request at a time, with retries until acknowledged. All screens
// share one outbox, so the journal records answers in the order they were given.
// Each press carries a visitor id and a sequence number, so that the server can deduplicate retries. It stays in the
// `store` until acknowledged: the next page sends leftovers under their original visitor id. Every page makes a new
// visitor id, so a duplicated tab causes no collisions.
import { bodiesWithin, requestOf, runs, sift, wordsFor } from './presses.js';

const LATE = 3000, LONGEST_REST = 2000, NEWS = 5000; // milliseconds
const BEACON = 60000;                                // bytes that browsers accept from a closing page
const HOPELESS = new Set([400, 413]);                // HTTP statuses that no retry will fix

// `later(work)`: runs `work` once the page has been painted.
export function makeOutbox({ act, store, later, visitor = newVisitor() }) {
  const screens = [];
  let pending = store.restored(), aside = []; // `aside`: entries for a stage that is not open; retried after a reload
  let asideBecause = '';
  let refusal = '';          // why the last press was refused; cleared by the next accepted one
  let trouble = '';          // the server's message while sending fails
  let number = 0, failures = 0, isLate = false, isBusy = false;
  let isOwed = pending.length > 0, isSavedAgain = false; // whether "All answers are saved." is due, and shown
  const reads = [];
  let wake = () => {}, forgetting = 0;

  // --- sending

  async function ask(run) {
    try {
      const reply = await act('presses', requestOf(run));
      if (reply.refused || reply.elsewhere) return reply;
      throw Object.assign(new Error(reply.error), { status: 200 });
    } catch (error) {
      if (HOPELESS.has(error.status)) return { elsewhere: true, error: error.message };
      throw error;
    }
  }

  async function send(run) {
    const waiting = setTimeout(() => { isLate = isOwed = true; tell(); }, LATE);
    const [reply, error] = await ask(run).then((taken) => [taken, null], (failed) => [null, failed]);
    clearTimeout(waiting);
    if (reply) { settle(run, reply); return; }
    failures += 1;
    isOwed = true;
    trouble = error.status && !error.message.includes('<') ? error.message : ''; // skip browser errors and HTML from proxies
    tell();
  }

  function rest() {
    return new Promise((resolve) => { wake = resolve; setTimeout(resolve, Math.min(LONGEST_REST, 250 * 2 ** failures)); });
  }

  function settle(run, reply) {
    failures = 0;
    isLate = false;
    pending = pending.filter((entry) => !run.includes(entry));
    const gone = reply.elsewhere ? setAside(run, reply.error) : takenOf(run, reply.refused);
    if (!pending.length && isOwed) savedAgain();
    tell();
    const numbers = (entries) => entries.filter((entry) => entry.visitor === visitor).map(({ press }) => press.number);
    screens.forEach(({ took }) => took(numbers(run), numbers(gone), reply.undone || []));
  }

  function setAside(run, because) {
    aside = aside.concat(run);
    asideBecause = because;
    return run;
  }

  // Returns the entries that don't count: refused ones and vain undos.
  function takenOf(run, refusals) {
    const { refused, vain, because } = sift(run, pending, refusals);
    pending = pending.filter((entry) => !vain.includes(entry));
    [...run, ...vain].forEach(store.forget);
    refusal = because;
    return [...refused, ...vain];
  }

  // A single stream: a read never returns state older than an earlier acknowledgment. Reads continue while sends fail.
  async function pump() {
    if (isBusy) return;
    isBusy = true;
    try {
      while (pending.length || reads.length) {
        if (pending.length) await send(runs(pending)[0]);
        for (const read of reads.splice(0)) await read();
        if (failures) await rest();
      }
    } finally { isBusy = false; }
  }

  // --- messages

  function isFailing() { return failures > 0 || isLate; }

  function words() {
    return wordsFor({ pending, isFailing: isFailing(), trouble, aside, asideBecause, refusal, isSavedAgain });
  }

  function savedAgain() {
    isOwed = false;
    isSavedAgain = !aside.length && !refusal;
    clearTimeout(forgetting);
    forgetting = setTimeout(() => { isSavedAgain = false; tell(); }, NEWS);
  }

  function tell() {
    for (let at = screens.length - 1; at >= 0; at -= 1) if (!screens[at].isThere()) screens.splice(at, 1);
    screens.forEach(({ said }) => said(words()));
  }

  pump();
  return {
    visitor,
    words,
    isFailing,
    pending: () => pending.map(({ press }) => press),
    // Queue a press; returns its number.
    add(press) {
      number += 1;
      pending.push(store.keep({ visitor, about: act.here(), press: { number, ...press } }));
      if (isFailing() || isSavedAgain) { isSavedAgain = false; tell(); }
      later(pump);
      return number;
    },
    // Queue `work`, an async function that fetches something, behind the pending presses.
    read(work) { reads.push(work); pump(); },
    // `isThere()`: whether the screen is still in the page; `took(...)`: outcome of presses; `said(words)`: show messages.
    join(screen) { screens.push(screen); screen.said(words()); },
    // The network is back, or the page: don't wait for the next retry.
    resume() { wake(); pump(); },
    // Bodies to send from a closing page: requests in flight may be aborted.
    lastWords: () => bodiesWithin(pending, BEACON),
    // Whether closing the page may lose presses. `isReload`: by the page itself, which finds them in the store.
    isAtRisk(isReload) {
      if (isReload && pending.every(({ isKept }) => isKept)) return false;
      return pending.length > 0 && (isFailing() || JSON.stringify(pending).length > BEACON);
    },
  };
}

// crypto.randomUUID exists only in secure contexts (localhost and HTTPS).
function newVisitor() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const text = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}
