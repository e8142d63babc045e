// One photo on a canvas. Upcoming photos are fetched, decoded and scaled off the main thread, so that showing one is a
// plain blit. `onShown(photo, isFailed)` is called once a photo is drawn. `mapOf(photo)`: the bitmap to overlay, if any.
function makePicture(stage, canvas, onShown, mapOf) {
  const AT_ONCE = 3, SIZE = 1600;
  const brush = canvas.getContext('2d');
  const loaded = new Map(); // photo id → { bitmap, isFailed }; both unset while loading
  let wanted = [], loading = 0, current = null, isDrawn = false, told = '', resizing = 0;

  // Width and height from the JPEG frame header (SOF): createImageBitmap needs the target size before decoding.
  function sizeOf(bytes) {
    for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff;) {
      const marker = bytes[at + 1];
      const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
      if (isFrame) return [bytes[at + 7] * 256 + bytes[at + 8], bytes[at + 5] * 256 + bytes[at + 6]];
      at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
    }
    return null;
  }

  function fitted(width, height) {
    const scale = Math.min(canvas.width / width, canvas.height / height);
    const [wide, high] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
    return [Math.round((canvas.width - wide) / 2), Math.round((canvas.height - high) / 2), wide, high];
  }

  async function decode(blob) {
    const size = sizeOf(new Uint8Array(await blob.slice(0, 65536).arrayBuffer()));
    const [, , wide, high] = size ? fitted(...size) : [0, 0, Infinity, Infinity];
    const isSmaller = size && wide < size[0];
    return createImageBitmap(
      blob, isSmaller ? { resizeWidth: wide, resizeHeight: high, resizeQuality: 'high' } : {});
  }

  async function load(photo) {
    const entry = {};
    loaded.set(photo.id, entry);
    loading += 1;
    try {
      const reply = await fetch(`photos/${photo.id}/${SIZE}`);
      if (!reply.ok) throw new Error(reply.status);
      entry.bitmap = await decode(await reply.blob());
    } catch {
      entry.isFailed = true;
      setTimeout(() => { if (loaded.get(photo.id) === entry) { loaded.delete(photo.id); pump(); } }, 3000);
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
    if (bitmap) brush.drawImage(bitmap, ...fitted(bitmap.width, bitmap.height));
    layOver(bitmap && mapOf(current), bitmap);
    isDrawn = Boolean(bitmap);
    stage.dataset.shown = current.key;
    if (told === (isFailed ? 'failed' : 'shown')) return; // a redraw after a resize
    told = isFailed ? 'failed' : 'shown';
    onShown(current, isFailed);
  }

  // Desaturate the photo so that only the map has color. No smoothing: the map has no values between cells.
  function layOver(map, bitmap) {
    if (!map) { delete stage.dataset.map; return; }
    const place = fitted(bitmap.width, bitmap.height);
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
    resizing = setTimeout(() => { forget(() => false); isDrawn = false; pump(); }, 200);
  }

  function forget(isKept) {
    for (const [id, entry] of loaded) {
      if (!isKept(id)) { entry.bitmap?.close(); loaded.delete(id); }
    }
  }

  new ResizeObserver(measure).observe(canvas);
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
      told = '';
      const entry = photo && loaded.get(photo.id);
      if (photo && entry && (entry.bitmap || entry.isFailed)) { draw(); return; }
      delete stage.dataset.shown;
      delete stage.dataset.map;
      brush.clearRect(0, 0, canvas.width, canvas.height);
      if (photo && !entry) load(photo);
    },
    isDrawn: () => isDrawn,
    again() { if (isDrawn) draw(); },
    // Rectangle of the photo on the stage, in CSS pixels.
    frame() {
      const { bitmap } = (current && loaded.get(current.id)) || {};
      if (!bitmap) return null;
      const ratio = canvas.width / canvas.clientWidth;
      const [left, top, width, height] = fitted(bitmap.width, bitmap.height).map((pixels) => pixels / ratio);
      return { left: left + canvas.offsetLeft, top: top + canvas.offsetTop, width, height };
    },
  };
}

// Zoom to 100 %: one photo pixel per screen pixel. Fetches the full-size photo on demand.
function makeZoom(stage, image, badge) {
  let at = null; // top left corner, in CSS pixels of the stage; null while zoomed out
  let asked = null;

  const clamp = (value, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, value)));

  function place(left, top) {
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [image.naturalWidth / ratio, image.naturalHeight / ratio];
    at = { left: clamp(left, wide, stage.clientWidth), top: clamp(top, high, stage.clientHeight) };
    Object.assign(image.style, { width: `${wide}px`, height: `${high}px` });
    image.style.transform = `translate(${Math.round(at.left)}px, ${Math.round(at.top)}px)`;
  }

  function end() {
    at = asked = null;
    stage.classList.remove('zoomed', 'close');
    badge.textContent = '';
    image.hidden = true;
    image.removeAttribute('src');
  }

  return {
    end,
    isOn: () => asked !== null,
    // `x`, `y`: the point of the stage that stays fixed. `frame`: rectangle of the photo while zoomed out.
    async start(photo, frame, x, y) {
      asked = photo.id;
      stage.classList.add('zoomed');
      badge.textContent = 'Loading 100 %';
      image.src = `photos/${photo.id}/6000`;
      const isThere = await image.decode().then(() => true, () => false);
      if (asked !== photo.id) return;
      if (!isThere) { end(); return; }
      const ratio = window.devicePixelRatio || 1;
      const share = (value, from, size) => Math.min(1, Math.max(0, (value - from) / size));
      image.hidden = false;
      stage.classList.add('close');
      place(x - share(x, frame.left, frame.width) * image.naturalWidth / ratio,
        y - share(y, frame.top, frame.height) * image.naturalHeight / ratio);
      badge.textContent = '100 %';
    },
    move(x, y) { if (at) place(at.left + x, at.top + y); },
  };
}
