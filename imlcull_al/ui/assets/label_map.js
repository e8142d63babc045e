// The sharpness map over the photo. Fetches nothing while off. While on, photos have priority: maps are fetched one at a
// time, since each costs the server work, and only after the photo has been on screen for a moment.
// `wanted()`: the photo on screen, then the likely next ones; empty until it is painted. `redraw()` repaints the photo
// with the map that `of` returns.
function makeMap({ wanted, legend, news, button, redraw }) {
  const KEPT = 50;
  const known = new Map(); // photo id → { bitmap } or { error }
  let isOn = false, isBusy = false, isRested = true, resting = 0;

  async function load(photo) {
    try {
      const reply = await fetch(`photos/${photo.id}/sharpness`);
      if (reply.ok) return { bitmap: await createImageBitmap(await reply.blob()) };
      return { error: await reply.text() };
    } catch {
      return { error: 'The map could not be loaded. It will be retried when you return to this photo.' };
    }
  }

  function keep(photo, entry) {
    known.set(photo.id, entry);
    if (known.size <= KEPT) return;
    const [oldest] = known.keys();
    known.get(oldest).bitmap?.close();
    known.delete(oldest);
  }

  async function pump() {
    if (isBusy) return;
    isBusy = true;
    for (let photo; (photo = isOn && isRested && wanted().find(({ id }) => !known.has(id)));) {
      tell();
      keep(photo, await load(photo));
      if (isOn && wanted()[0] === photo) redraw();
    }
    isBusy = false;
    tell();
  }

  function tell() {
    const [photo] = wanted();
    const entry = photo && known.get(photo.id);
    const text = entry ? entry.error || '' : (photo ? 'loading' : '');
    if (news.textContent !== text) news.textContent = text;
  }

  return {
    isOn: () => isOn,
    of: (photo) => (isOn ? known.get(photo.id)?.bitmap : undefined),
    turn(on) {
      isOn = isRested = on;
      button.ariaPressed = String(on);
      legend.hidden = !on;
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
