// The side panel of the Label screen: score, answer, exposure and similar photos.
import { act } from './page.js';
import { howSure, isScored, spokenAnswer, spokenExposure, spokenLikeness, spokenScore } from './logic/label_words.js';

const REST = 250; // milliseconds a photo stays on screen before its details are fetched

// `at`: the screen's find and say. `jump(key)` shows a photo; `isOn(photo)` tells whether it is on screen.
export function makeBeside(element, { find, say }, { jump, isOn }) {
  let resting = 0;

  function describe(photo, isFirst) {
    say('name', photo && photo.key);
    say('number', photo && `No. ${photo.number}`);
    find('stage').ariaLabel = photo ? `Photo ${photo.key}` : 'No photo';
    say('score', spokenScore(photo));
    say('sure', howSure(photo));
    find('judgement').classList.toggle('scored', isScored(photo));
    if (isScored(photo)) find('meter i').style.left = `${photo.p_keep * 100}%`;
    say('answer', spokenAnswer(photo));
    find('answer').className = `answer ${(photo && photo.label) || ''}`;
    element.querySelectorAll('[data-do=answer], [data-do=skip], [data-do=zoom]').forEach((button) => { button.disabled = !photo; });
    element.querySelector('[data-do=previous]').disabled = isFirst;
  }

  function clear() {
    clearTimeout(resting);
    say('exposure', '');
    element.querySelectorAll('.likes').forEach((row) => row.replaceChildren());
  }

  // Fetch the details only after the photo has been on screen for a while, so that quick answering is not slowed down.
  function detail(photo) {
    if (!photo || !isOn(photo)) return;
    clearTimeout(resting);
    resting = setTimeout(async () => {
      const reply = await act('label', { do: 'about', key: photo.key, queue: photo.isOpen ? photo.queue : null }).catch(() => null);
      if (!isOn(photo)) return;
      if (reply && !reply.error) photo.beside = reply; // on an error, keep the earlier details
      if (photo.beside) draw(photo.beside);
    }, REST);
  }

  function draw({ exposure, similar }) {
    say('exposure', spokenExposure(exposure));
    ['keep', 'cull'].forEach((label) => {
      find(`${label}-row .likes`).replaceChildren(...similar.filter((other) => other.label === label).map(thumbnail));
    });
  }

  function thumbnail(photo) {
    const button = document.createElement('button'), image = document.createElement('img');
    button.title = spokenLikeness(photo);
    image.alt = `${photo.key}: ${photo.label}`;
    image.decoding = 'async';
    image.src = `photos/${photo.id}/320`;
    button.append(image);
    button.onclick = () => jump(photo.key);
    return button;
  }

  return { describe, clear, detail };
}
