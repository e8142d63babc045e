// What the Label screen says about a photo.

export function isScored(photo) { return Boolean(photo) && photo.p_keep !== null && photo.p_keep !== undefined; }

export function spokenScore(photo) { return isScored(photo) ? `Score: ${Math.round(photo.p_keep * 100)}% keep` : ''; }

export function howSure(photo) {
  if (!isScored(photo)) return '';
  const distance = Math.abs(photo.p_keep - 0.5), side = photo.p_keep >= 0.5 ? 'keep' : 'cull';
  if (distance < 0.1) return 'a toss-up';
  return distance < 0.3 ? `likely ${side}` : `very likely ${side}`;
}

export function spokenAnswer(photo) {
  if (!photo) return '';
  if (photo.isHidden && !photo.label) return 'In the burst of a spot check: score hidden.';
  if (photo.queue === 'audit' && photo.isOpen) return 'Spot check: score hidden, your answer tests the model.';
  if (!photo.label) return '';
  const score = photo.p_keep;
  if (photo.queue !== 'disagreements' || score === null || (score >= 0.5) === (photo.label === 'keep')) return `Your answer: ${photo.label}`;
  const [yes, no] = photo.label === 'keep' ? ['Keep', 'cull'] : ['Cull', 'keep'];
  return `You said ${photo.label}. ${yes} confirms it, ${no} changes it.`;
}

// Three lines: settings; camera, lens and time; damage, and what is shown of a raw.
export function spokenExposure(facts) {
  const taken = /^(\d{4}):(\d\d):(\d\d) (\d\d:\d\d)/.exec(facts.taken || '');
  const settings = [facts.shutter, facts.aperture, facts.ISO && `ISO ${facts.ISO}`, facts['focal length']];
  const rest = [facts.camera, facts.lens, taken && `${taken[1]}-${taken[2]}-${taken[3]} ${taken[4]}`];
  const state = [facts.damaged && `Damaged: ${facts.damaged}`, facts.shown && `Shown: ${facts.shown}`];
  return [settings, rest, state].map((line) => line.filter(Boolean).join(' · ')).filter(Boolean).join('\n');
}

export function spokenReasons(reasons) {
  const text = (reasons || []).join(' · ');
  return text && text[0].toUpperCase() + text.slice(1);
}

export function spokenLikeness({ key, label, similarity }) {
  return `${key}: ${label}, ${Math.round(similarity * 100)}% similar`;
}
