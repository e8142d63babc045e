// What the Label screen says about a photo in another task than cull. `photo.likely`: see label_queue.js.
import { FEW, spokenLabel, tagsOf, unknownIn } from './task.js';

// The functions of label_words.js, in the words of the task.
export function wordsOf(task) {
  return {
    isScored,
    howSure: () => '',
    spokenScore: (photo) => spokenScore(task, photo),
    spokenAnswer: (photo) => spokenAnswer(task, photo),
  };
}

// The three likeliest classes: { number, name, share }.
export function barsOf(task, photo) {
  return likelyOf(photo).slice(0, 3).map(([number, share]) => ({ number, name: task.classes[number], share: percent(share) }));
}

// Numbers of the tags that are more likely than not.
export function likelyTags(photo) { return likelyOf(photo).filter(([, share]) => share >= 0.5).map(([number]) => number); }

function likelyOf(photo) { return photo?.likely || []; }

function isScored(photo) { return likelyOf(photo).length > 0; }

function spokenScore(task, photo) {
  if (!isScored(photo)) return '';
  if (!task.isExclusive) return `Likely: ${namesOf(task, likelyTags(photo)) || 'none'}`;
  const [[number, share]] = photo.likely;
  return `Score: ${percent(share)} ${task.classes[number]}`;
}

function spokenAnswer(task, photo) {
  if (!photo) return '';
  if (photo.queue === 'audit' && photo.isOpen) return 'Spot check: score hidden, your answer tests the model.';
  if (!photo.label) return '';
  const said = spokenLabel(task, photo.label), newer = unknownIn(task, photo.label);
  const unknown = newer.length ? ` Not asked yet: ${newer.join(', ')}.` : '';
  if (photo.queue !== 'disagreements' || !disagrees(task, photo)) return `Your answer: ${said}${unknown && `.${unknown}`}`;
  return `You said ${said}.${unknown} ${howToConfirm(task, photo.label)}`;
}

function howToConfirm(task, label) {
  if (!task.isExclusive) return 'Enter confirms it; press tags to change it.';
  const number = task.classes.indexOf(label) + 1;
  const again = task.classes.length > FEW ? 'The same answer' : number;
  return `${again} confirms it, another class changes it.`;
}

function disagrees(task, photo) {
  if (!isScored(photo)) return false;
  const tags = tagsOf(task, photo.label);
  if (task.isExclusive) return !tags[photo.likely[0][0]];
  return true; // the server sends only some scores of tags, but chose the photo by all
}

function namesOf(task, numbers) { return numbers.map((number) => task.classes[number]).join(', '); }

function percent(share) { return `${Math.round(share * 100)}%`; }
