// What the Check screen says, and the labels that it gives: of the photos marked on a sheet, and of the others.
import { labelOf } from './task.js';

export function labelsOf(task) {
  if (!task.isExclusive) return { first: labelOf(task, [true]), other: labelOf(task, [false]) };
  const [first, other] = task.classes;
  return { first, other };
}

// Names of the photos to mark, and of the answers, in the task's words.
export function namesOf(task) {
  const [first, other] = task.classes;
  if (task.isCull) return { one: 'keeper', many: 'keepers', first: 'Keep', other: 'Cull' };
  if (task.isExclusive) return { one: `${first} photo`, many: `${first} photos`, first, other };
  return { one: `photo with ${first}`, many: `photos with ${first}`, first: `With ${first}`, other: `Without ${first}` };
}

// The button that answers a sheet.
export function answerOf(names, marks, count) {
  if (!count) return 'Next';
  if (!marks) return count === 1 ? `This is no ${names.one}` : `None of ${count} is a ${names.one}`;
  return `${number(marks)} ${marks === 1 ? names.one : names.many}, ${number(count - marks)} not`;
}

// A photo of a sheet.
export function factsOf(names, { key, p_keep: score }, isMarked, isGone) {
  const state = isGone ? 'answered meanwhile' : isMarked ? names.one : `no ${names.one}`;
  return [key, scoreOf(score), state].filter(Boolean).join(' · ');
}

export function scoreOf(score) { return score === null || score === undefined ? '' : `score ${Math.floor(score * 100)}%`; }

export function number(value) { return value.toLocaleString('en'); }
