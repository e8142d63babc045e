// Zoom to 100 %: one photo pixel per screen pixel. Fetches the full-size photo on demand. Level and place stay for the
// photos that follow.
import { clamped, enlarged } from './logic/fitting.js';

const SIZE = 6000;

export function makeZoom(stage, image, badge) {
  let at = null; // top left corner, in CSS pixels of the stage; null while zoomed out
  let middle = [0.5, 0.5]; // the point of the photo in the middle of the stage, as shares of its sides
  let asked = null;

  // Size of the enlarged photo, in CSS pixels.
  function size() {
    const ratio = window.devicePixelRatio || 1;
    return [image.naturalWidth / ratio, image.naturalHeight / ratio];
  }

  function place(left, top) {
    const [wide, high] = size();
    at = { left: clamped(left, wide, stage.clientWidth), top: clamped(top, high, stage.clientHeight) };
    middle = [(stage.clientWidth / 2 - at.left) / wide, (stage.clientHeight / 2 - at.top) / high];
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

  // `cornerOf(width, height)`: where the upper left corner of a photo of this size belongs.
  async function load(photo, cornerOf) {
    asked = photo.id;
    stage.classList.add('zoomed');
    badge.textContent = 'Loading 100 %';
    image.src = `photos/${photo.id}/${SIZE}`;
    const isThere = await image.decode().then(() => true, () => false);
    if (asked !== photo.id) return;
    if (!isThere) { end(); return; }
    image.hidden = false;
    stage.classList.add('close');
    place(...cornerOf(...size()));
    badge.textContent = '100 %';
  }

  return {
    end,
    isOn: () => asked !== null,
    // `x`, `y`: the point of the stage that stays fixed. `frame`: rectangle of the photo while zoomed out.
    start(photo, [left, top, width, height], x, y) {
      load(photo, (wide, high) => [enlarged(x, left, width, wide), enlarged(y, top, height, high)]);
    },
    // Another photo is on screen. It is whole until its full size is there.
    follow(photo) {
      if (asked === null || !photo) { end(); return; }
      if (asked === photo.id) return;
      at = null;
      stage.classList.remove('close');
      image.hidden = true;
      load(photo, (wide, high) => [stage.clientWidth / 2 - middle[0] * wide, stage.clientHeight / 2 - middle[1] * high]);
    },
    move(x, y) { if (at) place(at.left + x, at.top + y); },
  };
}
