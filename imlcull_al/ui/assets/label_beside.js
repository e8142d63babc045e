// The side panel of the Label screen: score, answer, exposure and similar photos.
import { act } from './page.js';
import { caption, drawBars } from './label_classes.js';
import { barsOf, wordsOf } from './logic/label_likely.js';
import { isScoreHidden } from './logic/label_queue.js';
import * as words from './logic/label_words.js';
import { spokenLabel } from './logic/task.js';

const REST = 250; // milliseconds a photo stays on screen before its details are fetched

// `at`: the screen's find and say. `jump(key)` shows a photo; `isOn(photo)` tells whether it is on screen.
export function makeBeside(element, task, { find, say }, { jump, isOn }) {
  const { isScored, spokenScore, howSure, spokenAnswer } = task.isCull ? words : wordsOf(task);
  let resting = 0;

  function describe(photo, isFirst) {
    say('name', photo && photo.key);
    say('number', photo && `No. ${photo.number}`);
    find('stage').ariaLabel = photo ? `Photo ${photo.key}` : 'No photo';
    say('score', spokenScore(photo));
    say('sure', howSure(photo));
    find('judgement').classList.toggle('scored', isScored(photo));
    if (!task.isCull) drawBars(find('bars'), barsOf(task, photo));
    else if (isScored(photo)) find('meter i').style.left = `${photo.p_keep * 100}%`;
    say('answer', spokenAnswer(photo));
    find('answer').className = `answer ${classOf(photo && photo.label)}`;
    element.querySelectorAll('[data-do=answer], [data-do=skip], [data-do=zoom]').forEach((button) => { button.disabled = !photo; });
    element.querySelector('[data-do=previous]').disabled = isFirst;
  }

  function classOf(label) { return label ? (task.isCull ? label : 'given') : ''; }

  function clear() {
    clearTimeout(resting);
    say('exposure', '');
    say('reasons', '');
    element.querySelectorAll('.likes').forEach((row) => row.replaceChildren());
  }

  // Fetch the details only after the photo has been on screen for a while, so that quick answering is not slowed down.
  function detail(photo) {
    if (!photo || !isOn(photo)) return;
    clearTimeout(resting);
    resting = setTimeout(async () => {
      const reply = await act('label', { do: 'about', key: photo.key, blind: isScoreHidden(photo) }).catch(() => null);
      if (!isOn(photo)) return;
      if (reply && !reply.error) photo.beside = reply; // on an error, keep the earlier details
      if (photo.beside) draw(photo.beside);
    }, REST);
  }

  function draw({ exposure, similar, reasons }) {
    say('reasons', words.spokenReasons(reasons));
    say('exposure', words.spokenExposure(exposure));
    if (task.isCull) task.classes.forEach((label) => fill(label, similar.filter((other) => other.label === label)));
    else fill('all', similar);
  }

  function fill(row, photos) { find(`${row}-row .likes`).replaceChildren(...photos.map(thumbnail)); }

  function thumbnail(photo) {
    const button = document.createElement('button'), image = document.createElement('img');
    const label = spokenLabel(task, photo.label);
    button.title = words.spokenLikeness({ ...photo, label });
    image.alt = `${photo.key}: ${label}`;
    image.decoding = 'async';
    image.src = `photos/${photo.id}/320`;
    button.append(image);
    if (!task.isCull) caption(task, button, photo.label);
    button.onclick = () => jump(photo.key);
    return button;
  }

  return { describe, clear, detail };
}
