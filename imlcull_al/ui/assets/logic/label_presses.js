// What a press on the Label screen does, and when. Presses wait until the photo on screen is painted. Answers given while
// no photo is on screen, or to one that failed to load, are dropped instead: queued, they would answer a photo that nobody
// has seen. Knows nothing of the page: `screen` has isPainted(), isDrawn(), display(), tell(), look(), async jump(key),
// `chosen()`, the label of an answer that comes without one, and `others`, actions by name.
import { wholeBurst } from './label_bursts.js';

const LOOK = 'look';

export function makePresses(queue, outbox, screen) {
  let waiting = [];      // until the photo they are for is painted
  let missed = 0;        // answers ignored because no photo was on screen
  let awaited = null;    // the reply that decides what to show: LOOK, the number of an undo, or none
  let trouble = '';      // shown until the next answer

  function isPainting() { return Boolean(queue.current()) && !screen.isPainted(); }

  function drain() {
    while (waiting.length && !isPainting() && !(awaited !== null && !isAnswer(waiting[0].what))) take(waiting.shift());
  }

  function take({ what, label }) {
    const photo = queue.current();
    if (what === 'undo') undo();
    else if (what === 'previous') { if (queue.back()) screen.display(); }
    else if (what in screen.others) screen.others[what](photo, label);
    else if (isAnswer(what) && (awaited !== null || !photo || !screen.isDrawn())) { missed += 1; screen.tell(); }
    else if (!photo) return;
    else if (what === 'burst') giveBurst();
    else if (what === 'next' || (what === 'skip' && photo.label)) next();
    else give(photo, what, what === 'answer' ? label ?? screen.chosen() : undefined);
  }

  // A frame that was not asked is answered as a range of one: its answer belongs to no queue.
  function give(photo, what, label) {
    const isPicked = photo !== queue.asked() && what === 'answer';
    const number = outbox.add({ do: what, ...(isPicked ? { keys: [photo.key] } : { key: photo.key }), label, queue: photo.queue });
    queue.give(number, label);
    given();
  }

  // Keep the frame on screen and cull the others of its burst.
  function giveBurst() {
    const keys = wholeBurst(queue.burst(), queue.current()), asked = queue.asked();
    if (!keys) return;
    queue.giveBurst(outbox.add({ do: 'burst', keys, key: asked.key, queue: asked.queue }), keys);
    given();
  }

  function given() {
    const wasTold = missed || trouble;
    missed = 0;
    trouble = '';
    if (wasTold) screen.tell();
    screen.display();
  }

  function next() {
    if (queue.pass()) screen.display();
    screen.look();
  }

  function undo() {
    const last = queue.takeBack();
    const what = last && last.keys.length > 1 ? { keys: last.keys } : { key: last ? last.keys[0] : null };
    const number = outbox.add({ do: 'undo', ...what, of: last && last.number });
    if (!last) { awaited = number; return; }
    queue.reopen(last);
    screen.display();
  }

  return {
    press(what, label) { waiting.push({ what, label }); drain(); },
    drain,
    isWaiting: () => waiting.length > 0,
    // The next look decides what to show.
    awaitLook() { awaited = LOOK; },
    looked() { if (awaited === LOOK) awaited = null; },
    forget() { waiting = []; },
    complain(text) { trouble = text; screen.tell(); },
    words() {
      const lost = missed && `${missed === 1 ? 'One press' : `${missed} presses`} ignored: no photo was on screen yet.`;
      return [lost, trouble].filter(Boolean).join(' ');
    },
    // Outcome of presses: numbers delivered, numbers refused, and what was undone. Resolves once it is on screen.
    async took(arrived, refused, undone) {
      for (const number of refused) {
        awaited = null;
        if (queue.refuse(number)) screen.display();
      }
      if (!arrived.includes(awaited)) return;
      const number = awaited, key = undone.find((each) => each.number === number)?.keys[0];
      if (key !== undefined) await screen.jump(key);
      if (awaited === number) awaited = null;
      drain();
    },
  };
}

export function isAnswer(what) { return ['answer', 'skip', 'burst'].includes(what); }
