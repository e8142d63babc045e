// Zoom to 100 %: one photo pixel per screen pixel. Fetches the full-size photo on demand.
import { clamped, enlarged } from './logic/fitting.js';

const SIZE = 6000;

export function makeZoom(stage, image, badge) {
  let at = null; // top left corner, in CSS pixels of the stage; null while zoomed out
  let asked = null;

  // Size of the enlarged photo, in CSS pixels.
  function size() {
    const ratio = window.devicePixelRatio || 1;
    return [image.naturalWidth / ratio, image.naturalHeight / ratio];
  }

  function place(left, top) {
    const [wide, high] = size();
    at = { left: clamped(left, wide, stage.clientWidth), top: clamped(top, high, stage.clientHeight) };
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
    async start(photo, [left, top, width, height], x, y) {
      asked = photo.id;
      stage.classList.add('zoomed');
      badge.textContent = 'Loading 100 %';
      image.src = `photos/${photo.id}/${SIZE}`;
      const isThere = await image.decode().then(() => true, () => false);
      if (asked !== photo.id) return;
      if (!isThere) { end(); return; }
      const [wide, high] = size();
      image.hidden = false;
      stage.classList.add('close');
      place(enlarged(x, left, width, wide), enlarged(y, top, height, high));
      badge.textContent = '100 %';
    },
    move(x, y) { if (at) place(at.left + x, at.top + y); },
  };
}
