// Stand-ins for what the browser gives to the modules of logic/.

// sessionStorage of one tab. A copy of a tab starts with a copy of `items`.
export function fakeStorage(items = {}) {
  const storage = Object.create({
    getItem(name) { return Object.hasOwn(this, name) ? this[name] : null; },
    setItem(name, value) { this[name] = String(value); },
    removeItem(name) { delete this[name]; },
  });
  return Object.assign(storage, items);
}

// A server whose requests wait for `reply(value)` or `fail(error)`. `requests`: those sent so far.
export function fakeServer(here = { stage: 'stage_1', project: 'p' }) {
  const requests = [], waiting = [];
  function act(screen, request) {
    requests.push({ screen, ...request });
    return new Promise((resolve, reject) => { waiting.push({ resolve, reject }); });
  }
  act.here = () => ({ ...here });
  return {
    act,
    requests,
    sent: () => requests.map(({ presses }) => presses.map(({ number }) => number)),
    async reply(value) { waiting.shift().resolve(value); await settled(); },
    async fail(error = new TypeError('Failed to fetch')) { waiting.shift().reject(error); await settled(); },
  };
}

export const TAKEN = { refused: [], undone: [], error: '' };

// Let everything run that waits for no timer.
export async function settled() { for (let turn = 0; turn < 20; turn += 1) await Promise.resolve(); }
