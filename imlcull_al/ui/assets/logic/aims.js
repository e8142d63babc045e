// The threshold of the page, and the share of keepers that may be lost: whole per cent, one value each for all screens,
// kept in the browser for each stage.

// A whole number from 0 to 100; null for anything else.
export function asPercent(text) {
  const value = text === null || text === '' ? NaN : Number(text);
  return value >= 0 && value <= 100 ? Math.round(value) : null;
}

// `what`: its name in the storage; `usual`: what it begins with. `recall(name)` and `remember(name, value)` reach the browser's storage.
export function makeAim(what, usual, recall, remember) {
  let followers = [], percent = usual, name = null;

  function take(value) {
    if (value === percent) return;
    percent = value;
    followers = followers.filter(({ isThere }) => isThere());
    followers.forEach(({ changed }) => changed(percent));
  }

  return {
    percent: () => percent,
    share: () => percent / 100,
    // The page shows this stage of this project.
    open({ project, stage }) {
      name = `imlcull ${what} ${project} ${stage}`;
      take(asPercent(recall(name)) ?? percent);
    },
    // Nonsense changes nothing.
    set(value) {
      const chosen = asPercent(value);
      if (chosen === null || chosen === percent) return;
      if (name) remember(name, String(chosen));
      take(chosen);
    },
    // Call `changed(percent)` whenever it changes, while `isThere()`.
    follow(isThere, changed) { followers.push({ isThere, changed }); },
  };
}
