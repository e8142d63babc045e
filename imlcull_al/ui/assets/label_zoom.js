// The photo on the Label screen, enlarged, on a canvas of its own. Level and place stay for the photos that follow. Until a
// photo is there in full size, its preview is shown in its place.
import { makeFullPhotos, MOST } from './full_photos.js';
import { guessedSize, isEnlarged, moved, placed, sized, toggled, zoomed } from './logic/zoom.js';
import { onResize } from './page_life.js';

const PREVIEW = 1600; // longer side, see label_picture.js

// `picture`: see label_picture.js. `likely()`: the photos that may be on screen next, after the one that is.
export function makeZoom(stage, canvas, badge, picture, likely) {
  const brush = canvas.getContext('2d');
  const full = makeFullPhotos((id) => { if (id === photo?.id) arrived(); });
  let photo = null, view = null;
  let size = null;      // of the photo, as far as it is known
  let known = null;     // size of a photo that was seen in full
  let pointed = null;   // the point of the stage that the view was enlarged at
  let isUsed = false;   // somebody looks at photos closely: they are fetched ahead

  function frame() {
    const fit = picture.frame();
    return fit && size && { fit, size, room: room(), ratio: window.devicePixelRatio || 1 };
  }

  function room() { return [stage.clientWidth, stage.clientHeight]; }

  function learnSize() {
    const { bitmap } = full.of(photo?.id) || {}, preview = picture.drawn();
    if (bitmap) size = known = [bitmap.width, bitmap.height];
    else if (preview) size = guessedSize(preview.size, PREVIEW, known);
  }

  function arrived() {
    const { bitmap } = full.of(photo.id), of = frame();
    if (!bitmap) { if (view) end(); return; }
    if (view && of) view = sized(view, [bitmap.width, bitmap.height], pointed || of.room.map((length) => length / 2), of);
    draw();
  }

  function draw() {
    learnSize();
    const of = frame(), { bitmap } = full.of(photo?.id) || {}, source = bitmap || picture.drawn()?.bitmap;
    const isShown = Boolean(of && source && isEnlarged(view, of));
    stage.classList.toggle('zoomed', view !== null);
    stage.classList.toggle('close', isShown);
    const percent = of && `${Math.round(100 * (isShown ? view.level : 0))} %`;
    badge.textContent = isShown ? (bitmap ? percent : `Loading ${percent}`) : '';
    if (isShown) paint(source, placed(view, of), of.ratio, view.level);
    canvas.dataset.pixels = isShown ? (bitmap ? 'all' : 'preview') : '';
    canvas.dataset.place = isShown ? placed(view, of).map((value) => Math.round(value * 100) / 100).join(' ') : '';
  }

  // Draw the part of the photo that is on the stage. At 100 % one of its pixels is one of the screen's.
  function paint(source, place, ratio, level) {
    const [wide, high] = room().map((length) => Math.round(length * ratio));
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    const [left, top, width, height] = place.map((value) => Math.round(value * ratio));
    brush.clearRect(0, 0, wide, high);
    brush.imageSmoothingEnabled = level < 1 || source.width < width / level;
    brush.drawImage(source, left, top, width, height);
  }

  function take(next, point) {
    const wasOn = view !== null;
    [view, pointed] = [next, point];
    isUsed ||= view !== null;
    if (view && !wasOn) want();
    draw();
  }

  function want() { full.want(photo && isUsed ? [photo, ...likely()].slice(0, MOST).map(({ id }) => id) : []); }

  function change(next, point) {
    const of = frame();
    if (of) take(next(of), point);
  }

  function end() { take(null, null); }

  onResize(stage, draw);

  return {
    end,
    isOn: () => view !== null,
    // Whether the photo on screen is larger than whole, or may be.
    isClose() { const of = frame(); return view !== null && (!of || isEnlarged(view, of)); },
    toggle(point) { change((of) => toggled(view, point, of), point); },
    times(factor, point, from) { change((of) => zoomed(view, factor, point, of, from), point); },
    move(dx, dy) { change((of) => moved(view, dx, dy, of), null); },
    // Another photo is on screen.
    follow(next) {
      photo = next;
      size = pointed = null;
      if (!photo) view = null;
      if (view) want();
      draw();
    },
    // The photo is painted.
    draw,
    // Nobody answers just now: fetch what may be looked at closely next.
    rest: want,
  };
}
