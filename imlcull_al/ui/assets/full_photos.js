// Photos in full size, decoded ahead for those that are likely to be looked at closely next, so that one is painted at once.
const FULL = 6000;    // see serving.FULL
const AT_ONCE = 2;
export const MOST = navigator.deviceMemory <= 4 ? 1 : 3; // photos: one of 24 megapixels takes 96 MB

// `changed(id)`: a photo is there, or failed.
export function makeFullPhotos(changed) {
  const loaded = new Map(); // photo id → { bitmap, isFailed, fetching }; bitmap and isFailed unset while loading
  let wanted = [], loading = 0;

  async function load(id) {
    const entry = { fetching: new AbortController() };
    loaded.set(id, entry);
    loading += 1;
    try {
      const reply = await fetch(`photos/${id}/${FULL}`, { signal: entry.fetching.signal });
      if (!reply.ok) throw new Error(reply.status);
      entry.bitmap = await createImageBitmap(await reply.blob());
    } catch { entry.isFailed = true; }
    loading -= 1;
    if (loaded.get(id) === entry) changed(id);
    else entry.bitmap?.close();
    pump();
  }

  function pump() {
    for (const id of wanted) {
      if (loading >= AT_ONCE) return;
      if (!loaded.has(id)) load(id);
    }
  }

  return {
    // Keep these, most urgent first, and no others. One that failed is tried again.
    want(ids) {
      wanted = [...new Set(ids)].slice(0, MOST);
      for (const [id, { bitmap, isFailed, fetching }] of loaded) {
        if (wanted.includes(id) && !isFailed) continue;
        loaded.delete(id);
        fetching.abort();
        bitmap?.close();
      }
      pump();
    },
    // { bitmap, isFailed }; undefined if it is not wanted.
    of: (id) => loaded.get(id),
  };
}
