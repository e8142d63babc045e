// The keys of the Check screen: what a key does on a sheet, and to a photo that is asked again.
const ON_SHEET = { ' ': 'toggle', k: 'toggle', p: 'toggle', c: 'unmark', x: 'unmark', enter: 'answer', u: 'undo', z: 'large' };
const ASKED = { k: 'first', p: 'first', c: 'other', x: 'other', u: 'undo' };

export function meantBy(key, isAsked) {
  const keys = isAsked ? ASKED : ON_SHEET;
  return Object.hasOwn(keys, key) ? keys[key] : null;
}
