// One photo on a canvas. Upcoming photos are fetched, decoded and scaled off the main thread, so that showing one is a
// plain blit. `onShown(photo, isFailed)` is called once a photo is drawn. `mapOf(photo)`: the bitmap to overlay, if any.
import { fitted, sizeOf } from './logic/fitting.js';
import { onResize } from './page_life.js';

const AT_ONCE = 3, SIZE = 1600;
const HEAD = 65536; // bytes in which a JPEG tells its size
const AGAIN = 3000, RESIZED = 200; // milliseconds before a failed load is retried, and before photos are decoded for a new size

export function makePicture(stage, canvas, onShown, mapOf) {
  const brush = canvas.getContext('2d');
  const loaded = new Map(); // photo id → { bitmap, size, isFailed }; unset while loading; `size` of its preview
  let wanted = [], loading = 0, current = null, isDrawn = false, told = '', resizing = 0;
  let shape = null; // width and height of the photo on the canvas, also while it is decoded for a new size

  function placeOf(bitmap) { return fitted([bitmap.width, bitmap.height], [canvas.width, canvas.height]); }

  async function decode(blob) {
    const size = sizeOf(new Uint8Array(await blob.slice(0, HEAD).arrayBuffer()));
    const [, , wide, high] = size ? fitted(size, [canvas.width, canvas.height]) : [0, 0, Infinity, Infinity];
    const isSmaller = size && wide < size[0];
    const bitmap = await createImageBitmap(
      blob, isSmaller ? { resizeWidth: wide, resizeHeight: high, resizeQuality: 'high' } : {});
    return { bitmap, size: size || [bitmap.width, bitmap.height] };
  }

  async function load(photo) {
    const entry = {};
    loaded.set(photo.id, entry);
    loading += 1;
    try {
      const reply = await fetch(`photos/${photo.id}/${SIZE}`);
      if (!reply.ok) throw new Error(reply.status);
      Object.assign(entry, await decode(await reply.blob()));
    } catch {
      entry.isFailed = true;
      setTimeout(() => { if (loaded.get(photo.id) === entry) { loaded.delete(photo.id); pump(); } }, AGAIN);
    }
    loading -= 1;
    if (loaded.get(photo.id) !== entry) entry.bitmap?.close(); // evicted while loading
    if (current && current.id === photo.id && !isDrawn) draw();
    pump();
  }

  function pump() {
    for (const photo of wanted) {
      if (loading >= AT_ONCE) return;
      if (!loaded.has(photo.id)) load(photo);
    }
  }

  function draw() {
    const { bitmap, isFailed } = loaded.get(current.id) || {};
    if (!bitmap && !isFailed) return;
    brush.clearRect(0, 0, canvas.width, canvas.height);
    if (bitmap) brush.drawImage(bitmap, ...placeOf(bitmap));
    layOver(bitmap && mapOf(current), bitmap);
    isDrawn = Boolean(bitmap);
    shape = bitmap && { width: bitmap.width, height: bitmap.height };
    stage.dataset.shown = current.key;
    if (told === (isFailed ? 'failed' : 'shown')) return; // a redraw after a resize
    told = isFailed ? 'failed' : 'shown';
    onShown(current, isFailed);
  }

  // Desaturate the photo so that only the map has color. No smoothing: the map has no values between cells.
  function layOver(map, bitmap) {
    if (!map) { delete stage.dataset.map; return; }
    const place = placeOf(bitmap);
    brush.save();
    brush.globalCompositeOperation = 'saturation';
    brush.fillStyle = 'grey';
    brush.fillRect(...place);
    brush.globalCompositeOperation = 'source-over';
    brush.imageSmoothingEnabled = false;
    brush.drawImage(map, ...place);
    brush.restore();
    stage.dataset.map = current.key;
  }

  function measure() {
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (!wide || !high || (canvas.width === wide && canvas.height === high)) return;
    [canvas.width, canvas.height] = [wide, high];
    if (!loaded.size) return;
    if (current) draw(); // the old bitmap, scaled, until photos are decoded for the new size
    clearTimeout(resizing);
    resizing = setTimeout(() => { forget(() => false); isDrawn = false; pump(); }, RESIZED);
  }

  function forget(isKept) {
    for (const [id, entry] of loaded) {
      if (!isKept(id)) { entry.bitmap?.close(); loaded.delete(id); }
    }
  }

  onResize(canvas, measure);
  measure();

  return {
    // Set the photos to keep decoded, most urgent first; evicts all others.
    want(photos) {
      wanted = photos;
      const ids = new Set(photos.map((photo) => photo.id));
      forget((id) => ids.has(id));
      pump();
    },
    show(photo) {
      current = photo;
      isDrawn = false;
      shape = null;
      told = '';
      const entry = photo && loaded.get(photo.id);
      if (photo && entry && (entry.bitmap || entry.isFailed)) { draw(); return; }
      delete stage.dataset.shown;
      delete stage.dataset.map;
      brush.clearRect(0, 0, canvas.width, canvas.height);
      if (photo && !entry) load(photo);
    },
    isDrawn: () => isDrawn,
    // What the photo on screen is drawn from: { bitmap, size }, `size` of its preview; null while it loads.
    drawn: () => (isDrawn ? loaded.get(current.id) ?? null : null),
    again() { if (isDrawn) draw(); },
    // Rectangle of the photo on the stage, in CSS pixels.
    frame() {
      if (!shape) return null;
      const ratio = canvas.width / canvas.clientWidth;
      const [left, top, width, height] = placeOf(shape).map((pixels) => pixels / ratio);
      return [left + canvas.offsetLeft, top + canvas.offsetTop, width, height];
    },
  };
}
