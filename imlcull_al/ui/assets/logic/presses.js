// Presses on their way to the server, as values. An entry is { visitor, about, press, place, isKept }: `about` names the
// stage and project, `press` has a number and what to do with one `key` or several `keys`.

// Split entries, in order, into batches of one visitor and stage with at most `presses` presses and `photos` photos.
export function runs(entries, presses = 500, photos = 20000) {
  const found = [];
  let size = 0;
  for (const entry of entries) {
    const run = found.at(-1), more = photosOf(entry);
    size += more;
    if (run && isSame(run[0], entry) && run.length < presses && size <= photos) run.push(entry);
    else { found.push([entry]); size = more; }
  }
  return found;
}

function isSame(one, other) {
  return one.visitor === other.visitor && one.about.stage === other.about.stage && one.about.project === other.about.project;
}

function photosOf({ press }) { return press.keys ? press.keys.length : 1; }

// The request that delivers a run.
export function requestOf(run) {
  return { ...run[0].about, visitor: run[0].visitor, presses: run.map(({ press }) => press) };
}

// JSON bodies of the first runs that fit into `most` bytes together.
export function bodiesWithin(entries, most) {
  const bodies = runs(entries).map((run) => JSON.stringify(requestOf(run)));
  let size = 0;
  const end = bodies.findIndex((body) => (size += body.length) > most);
  return end < 0 ? bodies : bodies.slice(0, end);
}

// Sort out a delivered run: `refused` entries of it, and pending undos of them, which are `vain`: they would undo an older
// answer. `refusals`: number and error of each refused press.
export function sift(run, pending, refusals) {
  const numbers = refusals.map(({ number }) => number);
  return {
    refused: run.filter(({ press }) => numbers.includes(press.number)),
    vain: pending.filter(({ press, visitor }) => visitor === run[0].visitor && numbers.includes(press.of)),
    because: [...new Set(refusals.map(({ error }) => error))].join(' '),
  };
}

// What to tell. `pending` and `aside` are entries; `trouble`, `asideBecause` and `refusal` are reasons from the server.
export function wordsFor({ pending, isFailing, trouble, aside, asideBecause, refusal, isSavedAgain }) {
  const unsaved = pending.length && isFailing
    ? `${counted(pending, 'is', 'are')} not saved yet; trying again. ${trouble}`.trim() : '';
  const left = aside.length
    ? `${counted(aside, 'is', 'are')} not saved: ${asideBecause} This tab keeps them and sends them again when you reload it.` : '';
  return { error: [unsaved, left, refusal].filter(Boolean).join(' '), saved: isSavedAgain ? 'All answers are saved.' : '' };
}

function counted(entries, one, many) {
  const count = entries.reduce((sum, entry) => sum + (photosOf(entry) || 1), 0);
  return count === 1 ? `One answer ${one}` : `${count.toLocaleString('en')} answers ${many}`;
}
