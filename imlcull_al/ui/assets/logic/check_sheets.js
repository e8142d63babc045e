// Which sheet is on screen, which of its photos are marked, what comes next, and what can be taken back. A sheet is
// { queue, photos, gone }: `gone` are keys that somebody answered meanwhile. Photos are { key, id, p_keep } from the server.
// Now and then a photo is asked again, alone and in full size, after a sheet and before the next. Knows nothing of the page.

export function makeSheets() {
  let queue = 'sheet', size = 24;
  let sheet = null, next = [];      // the sheet on screen; photos of those that follow
  let asked = null, due = null;     // the photo asked again, and the one to come
  let awaited = null;               // key of a photo asked again, whose answer decides what to show once it is there
  const marked = new Set();         // keys
  let mine = [];                    // answers given here: number, and a sheet or a photo asked again
  const undoing = new Map();        // number of an undo → the photos whose answers it takes back

  function keysOf({ sheet: answered, photo }) { return photo ? [photo.key] : answered.photos.map(({ key }) => key); }

  function present() { return sheet ? sheet.photos.filter(({ key }) => !sheet.gone.has(key)) : []; }

  function show(photos) { sheet = { queue, photos, gone: new Set() }; }

  // Go on to the next sheet, if nothing else is on screen. `isAfter`: after an answer, when photos are asked again.
  function goOn(isAfter = false) {
    if (sheet || asked || awaited) return;
    if (due && (isAfter || !next.length)) [asked, due] = [due, null];
    else if (next.length) show(next.splice(0, size));
  }

  // Clear the screen for an answer that is taken back; what was on it comes again right after.
  function setAside() {
    if (asked) due = asked;
    if (sheet) next = [...sheet.photos, ...next];
    [asked, sheet, awaited] = [null, null, null];
  }

  function reopen(answer) {
    setAside();
    if (answer.photo) { asked = answer.photo; return; }
    if (answer.sheet.queue !== queue) next = [];
    queue = answer.sheet.queue;
    sheet = { ...answer.sheet, gone: new Set() };
    next = next.filter(({ key }) => !sheet.photos.some((photo) => photo.key === key));
  }

  return {
    queue: () => queue,
    sheet: () => sheet,
    asked: () => asked,
    due: () => due,
    next: () => next.slice(0, size),
    present,
    isAwaited: () => awaited !== null,
    isMarked: (key) => marked.has(key),
    marks: () => present().filter(({ key }) => marked.has(key)).length,
    mark(key, isKeeper) { if (isKeeper) marked.add(key); else marked.delete(key); },
    // How many photos the next sheets have.
    fit(count) { size = count; },

    // What a request tells the server: the photos to keep for this page, and how many to have in all.
    describe() {
      return { queue, held: [...present(), ...next].map(({ key }) => key), count: present().length + size };
    },

    // Take the photos of a reply, and the one to ask again. `underway`: keys with a press that was not acknowledged.
    receive({ queue: of, photos, again }, underway) {
      due = again && !underway.has(again.key) && again.key !== asked?.key ? again : null;
      const isAfter = awaited !== null && !underway.has(awaited);
      if (isAfter) awaited = null;
      if (of === queue) take(photos.filter(({ key }) => !underway.has(key)), underway);
      goOn(isAfter);
    },

    // There was no reply: show what is there.
    miss() { awaited = null; goOn(); },

    // The sheet on screen, or the photo asked again, was answered by press `number`.
    answer(number) {
      if (asked) {
        mine.push({ number, photo: asked });
        [asked, awaited] = [null, asked.key]; // more may be asked again
        return;
      }
      mine.push({ number, sheet: { ...sheet, photos: present() } });
      sheet = null;
      goOn(true);
    },

    // Leave the sheet without photos to answer, or the photo asked again, which will be asked later.
    pass() {
      [sheet, asked, awaited] = [asked ? sheet : null, null, null];
      goOn();
    },

    choose(name) {
      queue = name;
      [sheet, next] = [null, []];
    },

    // The last answer given here, back on the screen; null without one. Tell `undo` the number of the press.
    takeBack() {
      const last = mine.pop();
      if (!last) return null;
      reopen(last);
      return { number: last.number, keys: keysOf(last) };
    },
    undo(number, { keys }) { undoing.set(number, keys); },

    // Outcome of presses: numbers refused, and what was undone. Whether the screen changed.
    took(refused, undone) {
      const lost = mine.filter(({ number }) => refused.includes(number));
      mine = mine.filter((answer) => !lost.includes(answer));
      lost.reverse().forEach(reopen);
      const changes = undone.filter(({ number, keys }) => leaveAnswered(number, keys));
      return lost.length + changes.length > 0;
    },
  };

  function take(photos, underway) {
    const open = new Map(photos.map((photo) => [photo.key, photo]));
    const here = new Set(sheet?.photos.map(({ key }) => key)), waiting = new Set(next.map(({ key }) => key));
    if (sheet) sheet.gone = new Set([...here].filter((key) => !open.has(key) && !underway.has(key)));
    next = [...next.filter(({ key }) => open.has(key)), ...photos.filter(({ key }) => !here.has(key) && !waiting.has(key))];
  }

  // What an undo left was answered by somebody else.
  function leaveAnswered(number, undone) {
    const left = new Set(undoing.get(number)?.filter((key) => !undone.includes(key)));
    undoing.delete(number);
    if (!left.size) return false;
    if (asked && left.has(asked.key)) asked = null;
    if (sheet) sheet.photos = sheet.photos.filter(({ key }) => !left.has(key));
    if (sheet && !sheet.photos.length) sheet = null;
    goOn();
    return true;
  }
}
