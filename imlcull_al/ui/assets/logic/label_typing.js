// Choosing one of many classes by its first letters. Letters only narrow down; Enter chooses, so that a slip answers nothing.
import { pressFor } from './task.js';

export function makeTyping(task) {
  const names = task.classes.map(folded);
  let typed = '', trouble = '';

  function beginning(text) { return [...names.keys()].filter((number) => names[number].startsWith(folded(text))); }

  // The class that Enter chooses: the only one left, or the one whose whole name was typed.
  function chosen() {
    const left = beginning(typed), whole = names.indexOf(folded(typed));
    return left.length === 1 ? left[0] : whole;
  }

  function add(letter) {
    if (beginning(typed + letter).length) typed += letter;
    else trouble = `Nothing begins with “${typed}${letter}”.`;
  }

  function enter() {
    const number = chosen();
    if (number < 0) { trouble = 'Several are left. Type more, or the whole name.'; return null; }
    typed = '';
    return pressFor(task, number);
  }

  return {
    isEmpty: () => !typed,
    clear() { typed = trouble = ''; },
    // Take a key as the browser names it. Returns the press that follows, ['typed'] without one, or null for other keys.
    strike(key) {
      trouble = '';
      if (typed && key === 'Enter') return enter() || ['typed'];
      if (typed && key === 'Escape') typed = '';
      else if (typed && key === 'Backspace') typed = typed.slice(0, -1);
      else if ([...key].length === 1 && (typed || key !== ' ')) add(key);
      else return null;
      return ['typed'];
    },
    // Numbers of the classes that are left.
    left: () => beginning(typed),
    words() {
      const number = typed ? chosen() : -1, count = beginning(typed).length;
      const then = number < 0 ? `${count} left` : `Enter: ${task.classes[number]}`;
      return [typed && `Typed: ${typed} · ${then}.`, trouble].filter(Boolean).join(' ');
    },
  };
}

// Without case and accents, so that any keyboard can type it.
function folded(text) { return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase(); }
