// How the Review screen tells photos apart in another task than cull: by their class or tags, as answered or else as guessed
// from the scores. Has the functions of review_sides.js. A label's code is its place in a list that only grows, so answers
// under way keep their codes whatever the server numbers.
import { percent } from './review_words.js';
import { colourOf, isTyped, labelOf, spokenLabel, tagsOf } from './task.js';

export function makeClasses(task) {
  const texts = [''], codes = new Map([['', 0]]), tags = [task.classes.map(() => null)]; // by code

  function codeOf(text) {
    if (!codes.has(text)) {
      codes.set(text, texts.length);
      texts.push(text);
      tags.push(tagsOf(task, text));
    }
    return codes.get(text);
  }

  function saidOf(table, row) { return table.labels[row] || table.guesses[row]; }

  function spoken(code) { return code ? spokenLabel(task, texts[code]) : ''; }

  // Whether two labels say different things of a class that both know.
  function differ(one, other) {
    return tags[one].some((has, number) => has !== null && tags[other][number] !== null && has !== tags[other][number]);
  }

  function isDisputed(table, row) { return differ(table.labels[row], table.guesses[row]); }

  function withClass(code, number, has) { return codeOf(labelOf(task, tags[code].map((had, at) => (at === number ? has : had)))); }

  const filters = {
    all: () => () => true,
    labeled: ({ labels }) => (row) => labels[row] > 0,
    unlabeled: ({ labels }) => (row) => labels[row] === 0,
    disagreements: (table) => (row) => isDisputed(table, row),
    unreadable: ({ unreadable }) => (row) => row in unreadable,
  };

  return {
    read(sent) {
      const own = sent.texts.map(codeOf), translated = (column) => column.map((code) => own[code]);
      return { ...sent, labels: translated(sent.labels), guesses: translated(sent.guesses) };
    },
    textOf: (code) => texts[code],
    // A tag is taken from the photos if all have it, else given to all; what was said of their other tags stays.
    relabeled(given, name) {
      if (task.isExclusive) return given.map(() => codeOf(name));
      const number = task.classes.indexOf(name), isOnAll = given.every((code) => tags[code][number]);
      return given.map((code) => withClass(code, number, !isOnAll));
    },
    has: (code, name) => tags[code][task.classes.indexOf(name)] === true,
    answerOf: (key) => (!isTyped(task) && /^[1-9]$/.test(key) && task.classes[key - 1]) || null,
    // As in review_filters.js; photos of a class are shown as `class:NAME`.
    filterOf(name) {
      if (!name.startsWith('class:')) return filters[name];
      const number = task.classes.indexOf(name.slice('class:'.length));
      return (table) => (row) => tags[saidOf(table, row)][number] === true;
    },
    nothingIn(filter) {
      if (filter === 'disagreements') return 'No answer disagrees with the scores.';
      const name = filter.startsWith('class:') ? filter.slice('class:'.length) : filter;
      return filter === 'all' ? 'No photos here.' : `No photos are ${name}.`;
    },
    factsOf(table, row) {
      const label = table.labels[row];
      return [
        label ? `your answer: ${spoken(label)}` : spoken(table.guesses[row]) && `likely ${spoken(table.guesses[row])}`,
        table.scores[row] >= 0 && `${table.by ?? 'score'} ${percent(table.scores[row])}`,
        row in table.unreadable && `can't be read: ${table.unreadable[row]}`,
      ].filter(Boolean);
    },
    factsClass: () => '',
    lookOf(table, row) {
      const label = table.labels[row], said = saidOf(table, row), first = tags[said].indexOf(true);
      const look = `told${label ? ' labeled' : ''}${label && isDisputed(table, row) ? ' overruled' : ''}`;
      return { look, mark: label ? `✓ ${spoken(label)}` : spoken(said), colour: first < 0 ? 'var(--line)' : colourOf(first) };
    },
  };
}
