// The keys of the Check screen: what a key does on a sheet, and to a photo that is asked again. `preset`: see presets.js.
const ON_SHEET = { ' ': 'toggle', keep: 'toggle', cull: 'unmark', enter: 'answer', u: 'undo', z: 'large' };
const ASKED = { keep: 'first', cull: 'other', u: 'undo' };

export function meantBy(key, isAsked, preset) {
  const keys = isAsked ? ASKED : ON_SHEET, what = preset.answerOf(key) ?? key;
  return Object.hasOwn(keys, what) ? keys[what] : null;
}
