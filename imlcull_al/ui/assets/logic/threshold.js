// The threshold of the page: whole per cent, one value for all screens, kept in the browser for each stage.
export const USUAL = 50;

// A whole number from 0 to 100; null for anything else.
export function asPercent(text) {
  const value = text === null || text === '' ? NaN : Number(text);
  return value >= 0 && value <= 100 ? Math.round(value) : null;
}

// `recall(name)` and `remember(name, value)` reach the browser's storage.
export function makeThreshold(recall, remember) {
  let followers = [], percent = USUAL, name = null;

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
      name = `imlcull threshold ${project} ${stage}`;
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
