// The outbox: delivers presses to the server in order, one request at a time, with retries until acknowledged. All screens
// share one outbox, so the journal records answers in the order they were given.
// Each press carries a visitor id and a sequence number, so that the server can deduplicate retries. It stays in
// sessionStorage until acknowledged, so that it survives a reload, a crash or suspend: the next page sends leftovers under
// their original visitor id. Every page makes a new visitor id, so a duplicated tab causes no collisions.
function makeOutbox(act) {
  const PREFIX = 'imlcull press ';
  const LATE = 3000, LONGEST_REST = 2000, NEWS = 5000; // milliseconds
  const BEACON = 60000;                                // bytes that browsers accept from a closing page
  const HOPELESS = [400, 413];                         // HTTP statuses that no retry will fix
  const visitor = newVisitor();
  const screens = [];
  let pending = restored();  // { visitor, about, press, place, isKept }; `about`: stage and project
  let aside = [];            // entries for a stage that is not open; retried after a reload
  let asideBecause = '';
  let refusal = '';          // why the last press was refused; cleared by the next accepted one
  let trouble = '';          // the server's message while sending fails
  let number = 0, order = pending.length ? Number(pending.at(-1).place.slice(PREFIX.length)) : 0;
  let failures = 0, isLate = false, isBusy = false, isReloading = false;
  let isOwed = pending.length > 0, isSavedAgain = false; // whether "All answers are saved." is due, and shown
  let reads = [], wake = () => {}, forgetting = 0;

  // --- persistence

  function restored() {
    try {
      const places = Object.keys(sessionStorage).filter((name) => name.startsWith(PREFIX)).sort();
      return places.map((place) => ({ ...JSON.parse(sessionStorage.getItem(place)), place, isKept: true }));
    } catch { return []; } // storage is disabled
  }

  function keep({ place, ...entry }) {
    try { sessionStorage.setItem(place, JSON.stringify(entry)); return true; } catch { return false; }
  }

  function forget({ place, isKept }) { if (isKept) sessionStorage.removeItem(place); }

  // --- sending

  function request(run) {
    return { ...run[0].about, visitor: run[0].visitor, presses: run.map(({ press }) => press) };
  }

  async function ask(run) {
    try {
      const reply = await act('presses', request(run));
      if (reply.refused || reply.elsewhere) return reply;
      throw Object.assign(new Error(reply.error), { status: 200 });
    } catch (error) {
      if (HOPELESS.includes(error.status)) return { elsewhere: true, error: error.message };
      throw error;
    }
  }

  async function send(run) {
    const waiting = setTimeout(() => { isLate = isOwed = true; tell(); }, LATE);
    const [reply, error] = await ask(run).then((reply) => [reply, null], (error) => [null, error]);
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
    const gone = reply.elsewhere ? setAside(run, reply.error) : taken(run, reply.refused);
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

  // Returns the refused entries. The undo of a refused answer is dropped too: it would undo an older answer.
  function taken(run, refusals) {
    const isRefused = ({ press }) => refusals.some(({ number }) => number === press.number);
    const isVain = ({ press, visitor }) => visitor === run[0].visitor && refusals.some(({ number }) => number === press.of);
    const vain = pending.filter(isVain);
    pending = pending.filter((entry) => !isVain(entry));
    [...run, ...vain].forEach(forget);
    refusal = [...new Set(refusals.map(({ error }) => error))].join(' ');
    return [...run.filter(isRefused), ...vain];
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

  function counted(entries, one, many) {
    const count = entries.reduce((sum, { press }) => sum + ((press.keys && press.keys.length) || 1), 0);
    return count === 1 ? `One answer ${one}` : `${count.toLocaleString('en')} answers ${many}`;
  }

  function words() {
    const unsaved = pending.length && isFailing()
      ? `${counted(pending, 'is', 'are')} not saved yet; trying again. ${trouble}`.trim() : '';
    const left = aside.length
      ? `${counted(aside, 'is', 'are')} not saved: ${asideBecause} This tab keeps them and sends them again when you reload it.` : '';
    return { error: [unsaved, left, refusal].filter(Boolean).join(' '), saved: isSavedAgain ? 'All answers are saved.' : '' };
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

  // --- page close

  // Requests in flight may be aborted, so resend pending presses as beacons, which outlive the page, up to BEACON bytes.
  function leave() {
    let left = BEACON;
    for (const run of runs(pending)) {
      const body = JSON.stringify(request(run));
      left -= body.length;
      if (left < 0) return;
      navigator.sendBeacon('act/presses', new Blob([body], { type: 'application/json' }));
    }
  }

  function isTooLong() { return JSON.stringify(pending).length > BEACON; }

  window.addEventListener('pagehide', leave);
  window.addEventListener('pageshow', (event) => { if (event.persisted) pump(); });
  window.addEventListener('online', () => wake());
  // No warning if the page reloads itself, as Gradio does once the server is back, and all presses are in storage.
  window.navigation?.addEventListener('navigate', (event) => {
    isReloading = event.navigationType === 'reload' && !event.userInitiated;
  });
  window.addEventListener('beforeunload', (event) => {
    if (isReloading && pending.every((entry) => entry.isKept)) return;
    if (pending.length && (isFailing() || isTooLong())) event.preventDefault();
  });

  pump();
  return {
    visitor,
    words,
    // Queue a press; returns its number.
    add(press) {
      number += 1;
      order += 1;
      const entry = { visitor, about: act.here(), press: { number, ...press }, place: PREFIX + String(order).padStart(9, '0') };
      entry.isKept = keep(entry);
      pending.push(entry);
      if (isFailing() || isSavedAgain) { isSavedAgain = false; tell(); }
      afterPaint(pump);
      return number;
    },
    // Queue `work`, an async function that fetches something, behind the pending presses.
    read(work) { reads.push(work); pump(); },
    // `isThere()`: whether the screen is still in the page; `took(...)`: outcome of presses; `said(words)`: show messages.
    join(screen) { screens.push(screen); screen.said(words()); },
    pending: () => pending.map(({ press }) => press),
    isFailing,
  };
}

// Split entries, in order, into batches of one visitor and stage with at most `presses` presses and `photos` photos.
function runs(entries, presses = 500, photos = 20000) {
  const isSame = (one, other) => one.visitor === other.visitor && one.about.stage === other.about.stage
    && one.about.project === other.about.project;
  const found = [];
  let size = 0;
  for (const entry of entries) {
    const run = found.at(-1), more = entry.press.keys ? entry.press.keys.length : 1;
    size += more;
    if (run && isSame(run[0], entry) && run.length < presses && size <= photos) run.push(entry);
    else { found.push([entry]); size = more; }
  }
  return found;
}

// crypto.randomUUID exists only in secure contexts (localhost and HTTPS).
function newVisitor() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const text = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}

function afterPaint(work) {
  let isDone = false;
  const once = () => { if (!isDone) { isDone = true; work(); } };
  requestAnimationFrame(() => setTimeout(once));
  setTimeout(once, 200); // hidden pages get no animation frames
}
