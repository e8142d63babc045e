// Change the page only where it differs: assigning the same text again would cost a layout.

export function write(place, text) { describe(place, 'textContent', text); }

export function describe(element, name, value) { if (element[name] !== value) element[name] = value; }

// Draw a screen anew from HTML. Returns its new root; the old one is no longer connected, which ends what it started.
export function redrawn(root, html) {
  root.insertAdjacentHTML('afterend', html);
  const made = root.nextElementSibling;
  root.remove();
  return made;
}
