// The sharpness map over the photo: which maps to load, and which one to show. Fetches nothing while off. While on, photos
// have priority: maps are fetched one at a time, since each costs the server work, and only after the photo has been on
// screen for a moment. Knows nothing of the page.
const KEPT = 50; // maps held in memory

// `wanted()`: the photo on screen, then the likely next ones; empty until it is painted. `redraw()` repaints the photo
// with the map that `of` returns. `turned(isOn)` and `say(text)` show the state. `load(photo)` resolves to { bitmap }, or
// to the reason why there is none as { error }.
export function makeMap({ wanted, redraw, turned, say, load }) {
  const known = new Map(); // photo id → { bitmap } or { error }
  let isOn = false, isBusy = false, isRested = true, resting = 0;

  function keep(photo, entry) {
    known.set(photo.id, entry);
    if (known.size <= KEPT) return;
    const [oldest] = known.keys();
    known.get(oldest).bitmap?.close();
    known.delete(oldest);
  }

  function missing() { return isOn && isRested && wanted().find(({ id }) => !known.has(id)); }

  async function pump() {
    if (isBusy) return;
    isBusy = true;
    for (let photo = missing(); photo; photo = missing()) {
      tell();
      keep(photo, await load(photo));
      if (isOn && wanted()[0] === photo) redraw();
    }
    isBusy = false;
    tell();
  }

  function tell() {
    const [photo] = wanted(), entry = photo && known.get(photo.id);
    say(entry ? entry.error || '' : (photo ? 'loading' : ''));
  }

  return {
    isOn: () => isOn,
    of: (photo) => (isOn ? known.get(photo.id)?.bitmap : undefined),
    turn(on) {
      isOn = isRested = on;
      turned(on);
      redraw();
      pump();
    },
    // Called after a photo was painted.
    rest(milliseconds) {
      clearTimeout(resting);
      if (!isOn) return;
      isRested = false;
      known.forEach(({ error }, id) => { if (error) known.delete(id); });
      tell();
      resting = setTimeout(() => { isRested = true; pump(); }, milliseconds);
    },
  };
}
