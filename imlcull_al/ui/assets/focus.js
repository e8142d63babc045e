// Where the keyboard focus is, as keys.js asks: on the photo or nowhere, on a control, or in a field.
const ROLES = ['dialog', 'alertdialog', 'menu', 'menubar', 'listbox', 'combobox', 'textbox', 'searchbox', 'spinbutton', 'tree', 'grid'];
const FIELDS = ['input:not([type=button], [type=submit], [type=checkbox], [type=radio], [type=range])', 'textarea', 'select',
  '[contenteditable]:not([contenteditable=false])', 'dialog', '[data-keys=own]', ...ROLES.map((role) => `[role=${role}]`)].join();

// Classify the focused element `target` as `photo`, `control` or `field`. `photo`: the element that shows the photo.
export function handIsOn(target, photo) {
  const on = target.closest ? target : document.body, field = on.closest(FIELDS);
  const dialog = document.querySelector('dialog:modal, [aria-modal=true]');
  if ((field && !field.contains(photo)) || (dialog && !dialog.contains(photo))) return 'field';
  return [document.body, document.documentElement, photo].includes(on) ? 'photo' : 'control';
}
