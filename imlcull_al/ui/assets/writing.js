// Change the page only where it differs: assigning the same text again would cost a layout.

export function write(place, text) { describe(place, 'textContent', text); }

export function describe(element, name, value) { if (element[name] !== value) element[name] = value; }
