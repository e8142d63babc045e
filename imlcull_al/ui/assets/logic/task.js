// What is asked of every photo, as the server sends it: { name, classes, isExclusive, isCull, queues }, see ui/tasks.py.
// A label is text: a class, or for tags `red=1;striped=0`, where a tag that is not named is unknown.
export const FEW = 9;  // classes that have a key each; of more, the first letters are typed
const COLOURS = 8;

export function readTask(text) { return JSON.parse(decodeURIComponent(text)); }

export function isTyped({ classes }) { return classes.length > FEW; }

// Whether a label has each class: true, false, or null for unknown. All are unknown without a label.
export function tagsOf({ classes, isExclusive }, label) {
  if (!label) return classes.map(() => null);
  if (isExclusive) return classes.map((name) => name === label);
  const known = new Map(label.split(';').map((part) => part.split('=')));
  return classes.map((name) => (known.has(name) ? known.get(name) === '1' : null));
}

// The inverse for tags.
export function labelOf({ classes }, tags) {
  return classes.map((name, number) => (tags[number] === null ? '' : `${name}=${Number(tags[number])}`)).filter(Boolean).join(';');
}

// A label for people: `dress`, `red, striped`, `none`.
export function spokenLabel(task, label) {
  if (task.isExclusive) return label;
  const tags = tagsOf(task, label);
  return task.classes.filter((name, number) => tags[number]).join(', ') || 'none';
}

// Tags that an answer says nothing about: they are newer.
export function unknownIn(task, label) {
  if (!label) return [];
  const tags = tagsOf(task, label);
  return task.classes.filter((name, number) => tags[number] === null);
}

// What follows from pressing the button of a class: [what, label].
export function pressFor({ classes, isExclusive }, number) {
  return isExclusive ? ['answer', classes[number]] : ['toggle', number];
}

// Colors repeat after eight, so a name always stands beside them.
export function colourOf(number) { return `var(--class-${number % COLOURS})`; }
