// Presses in the tab's sessionStorage, in order, so that they survive a reload, a crash or suspend. `storage` returns it,
// or throws if it is disabled.
const PREFIX = 'imlcull press ';

export function makeStore(storage) {
  let order = 0;
  return {
    // Entries that an earlier page of this tab left.
    restored() {
      try {
        const places = Object.keys(storage()).filter((name) => name.startsWith(PREFIX)).sort();
        const entries = places.map((place) => ({ ...JSON.parse(storage().getItem(place)), place, isKept: true }));
        if (places.length) order = Number(places.at(-1).slice(PREFIX.length));
        return entries;
      } catch { return []; }
    },
    // Adds its `place` to the entry, and whether it could be stored.
    keep(entry) {
      order += 1;
      const place = PREFIX + String(order).padStart(9, '0');
      try { storage().setItem(place, JSON.stringify(entry)); } catch { return { ...entry, place, isKept: false }; }
      return { ...entry, place, isKept: true };
    },
    forget({ place, isKept }) { if (isKept) storage().removeItem(place); },
  };
}
