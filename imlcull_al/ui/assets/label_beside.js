// The side panel of the Label screen: score, answer, exposure and similar photos.
function describePhoto(photo) {
  say('name', photo && photo.key);
  say('number', photo && `No. ${photo.number}`);
  stage.ariaLabel = photo ? `Photo ${photo.key}` : 'No photo';
  const score = photo && photo.p_keep;
  say('score', score === null || score === undefined ? '' : `Score: ${Math.round(score * 100)}% keep`);
  say('sure', score === null || score === undefined ? '' : howSure(score));
  const isScored = Boolean(photo) && score !== null && score !== undefined;
  find('judgement').classList.toggle('scored', isScored);
  if (isScored) find('meter i').style.left = `${score * 100}%`;
  say('answer', spokenAnswer(photo));
  find('answer').className = `answer ${(photo && photo.label) || ''}`;
  say('exposure', '');
  element.querySelectorAll('.likes').forEach((row) => row.replaceChildren());
  element.querySelectorAll('[data-do=answer], [data-do=skip], [data-do=zoom]').forEach((button) => { button.disabled = !photo; });
  element.querySelector('[data-do=previous]').disabled = at <= 0;
}

function howSure(score) {
  const distance = Math.abs(score - 0.5), side = score >= 0.5 ? 'keep' : 'cull';
  if (distance < 0.1) return 'a toss-up';
  return distance < 0.3 ? `likely ${side}` : `very likely ${side}`;
}

function spokenAnswer(photo) {
  if (!photo) return '';
  if (photo.queue === 'audit' && photo.isOpen) return 'Spot check: score hidden, your answer tests the model.';
  if (!photo.label) return '';
  const score = photo.p_keep;
  if (photo.queue !== 'disagreements' || score === null || (score >= 0.5) === (photo.label === 'keep')) return `Your answer: ${photo.label}`;
  const [yes, no] = photo.label === 'keep' ? 'KC' : 'CK';
  return `You said ${photo.label}. ${yes} confirms it, ${no} changes it.`;
}

// Fetch the details only after the photo has been on screen for REST ms, so that quick answering is not slowed down.
function drawRest(photo) {
  if (!photo || photo !== current()) return;
  clearTimeout(resting);
  resting = setTimeout(async () => {
    const reply = await act('label', { do: 'about', key: photo.key, queue: photo.isOpen ? photo.queue : null }).catch(() => null);
    if (photo !== current()) return;
    if (reply && !reply.error) photo.beside = reply; // on an error, keep the earlier details
    if (!photo.beside) return;
    const { exposure, similar } = photo.beside;
    say('exposure', spokenExposure(exposure));
    ['keep', 'cull'].forEach((label) => {
      find(`${label}-row .likes`).replaceChildren(...similar.filter((other) => other.label === label).map(thumbnail));
    });
  }, REST);
}

function spokenExposure(facts) {
  const taken = /^(\d{4}):(\d\d):(\d\d) (\d\d:\d\d)/.exec(facts.taken || '');
  const settings = [facts.shutter, facts.aperture, facts.ISO && `ISO ${facts.ISO}`, facts['focal length']];
  const rest = [facts.camera, facts.lens, taken && `${taken[1]}-${taken[2]}-${taken[3]} ${taken[4]}`];
  return [settings, rest].map((line) => line.filter(Boolean).join(' · ')).filter(Boolean).join('\n');
}

function thumbnail(photo) {
  const button = document.createElement('button'), image = document.createElement('img');
  button.title = `${photo.key}: ${photo.label}, ${Math.round(photo.similarity * 100)}% similar`;
  image.alt = `${photo.key}: ${photo.label}`;
  image.decoding = 'async';
  image.src = `photos/${photo.id}/320`;
  button.append(image);
  button.onclick = () => jump(photo.key);
  return button;
}
