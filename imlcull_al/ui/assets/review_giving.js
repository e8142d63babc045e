// Answers given on the Review screen, shown before the server acknowledged them.
import { bestOf } from './logic/review_moments.js';
import { outbox } from './page.js';

// `isLarge()`: whether one photo is shown large, which alone is answered then. `changed()` draws the answers; `goTo(key)`
// moves to a photo.
export function makeGiving({ view, selection, kind, answers, moments, isLarge, changed, goTo }) {
  const answerOf = (keys, code) => ({ do: 'answer', keys, label: kind.textOf(code) });
  // Culls beyond a limit say nothing of the photos themselves: like looks, they don't train, and an answer that a photo got
  // meanwhile stays.
  const lookAt = (keys, code) => ({ do: 'sheet', queue: 'look', keys, labels: keys.map(() => kind.textOf(code)) });

  function give(rows, code, isMore = false, pressOf = answerOf) {
    const keys = rows.map((row) => view.photos.names[row]), before = rows.map((row) => view.table.labels[row]);
    answers.give(outbox.add(pressOf(keys, code)), keys, code, before, isMore);
  }

  function giveAll(rows, label, pressOf) {
    if (!rows.length) return;
    give(rows, kind.relabeled([0], label)[0], false, pressOf);
    changed();
  }

  return {
    answer(label) {
      const rows = view.table ? selection.chosen(isLarge()) : [];
      if (!rows.length) return;
      const codes = kind.relabeled(rows.map((row) => view.table.labels[row]), label);
      [...new Set(codes)].forEach((code, at) => give(rows.filter((row, place) => codes[place] === code), code, at > 0));
      if (!isLarge()) selection.pickNone();
      changed();
    },
    keepBest(burst) { giveAll(bestOf(view.table, new Set([burst])), 'keep'); },
    // Answer what is offered. Returns the answer.
    accept() {
      const { rows, label } = moments.offer(); // its button is hidden without one
      giveAll(rows, label, label === 'cull' ? lookAt : answerOf);
      return label;
    },
    undo() {
      if (!view.table) return;
      let last;
      do {
        last = answers.takeBack();
        answers.undo(outbox.add({ do: 'undo', keys: last.keys, of: last.number }), last);
      } while (last.isMore);
      changed();
      if (last.keys.length === 1) goTo(last.keys[0]);
    },
  };
}
