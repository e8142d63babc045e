// All keys and clicks of the page. Inside an event handler, `isHeld()` tells whether the key was already down, even if it
// went down elsewhere, and `isSecond()` whether the click is the second of a double click.
const HELD = 1000; // ms: longest gap between repeats of a held key; needed because a menu may swallow keyup
const DOUBLE = 350, NEAR = 30; // ms and pixels between the clicks of a double click

export function makeHands() {
  const down = new Map(); // code → time
  let held = false, second = false, before = null;
  return {
    isHeld: () => held,
    isSecond: () => second,
    keydown(event) {
      held = event.repeat || event.timeStamp - down.get(event.code) < HELD;
      if (event.code) down.set(event.code, event.timeStamp);
    },
    keyup(event) { down.delete(event.code); },
    click(event) {
      second = isSecondOf(event, before);
      if (event.detail) before = event;
    },
  };
}

// Whether `click` is the second of a double click or double tap. `before`: the previous click, if any.
export function isSecondOf(click, before) {
  if (click.detail > 1) return true;
  if (!click.detail || !before) return false; // detail 0: triggered by a key
  const apart = Math.hypot(click.clientX - before.clientX, click.clientY - before.clientY);
  return click.timeStamp - before.timeStamp < DOUBLE && apart < NEAR;
}

export function listen(target, hands) {
  for (const name of ['keydown', 'keyup', 'click']) target.addEventListener(name, hands[name], true);
}
