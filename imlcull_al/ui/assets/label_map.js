// The sharpness map over the photo. While it is off nothing is asked for; while it is on, what a photo needs comes
// first: its map is asked for once it was looked at for a moment, one at a time, as the server works on each.
// `wanted()`: the photo on screen, then those that may come next; none while that one is not painted. `redraw()`
// draws it anew, with what `of` gives for it then.
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
      return { error: 'The map could not be loaded. It is tried again with the next look at this photo.' };
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
    // A photo was painted.
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
