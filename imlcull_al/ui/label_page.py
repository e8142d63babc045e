"""The browser's side of the Label screen: its HTML, its style and its script.

The script talks to `label.respond` alone.
"""

HTML = """
<div class="desk">
  <div class="stage"><img class="photo" alt=""><p class="empty"></p></div>
  <p class="legend"><kbd>←</kbd> <kbd>C</kbd> <kbd>X</kbd> cull &emsp; <kbd>→</kbd> <kbd>K</kbd> <kbd>P</kbd> keep
    &emsp; <kbd>U</kbd> undo &emsp; <kbd>S</kbd> skip</p>
  <div class="side">
    <div class="about">
      <div class="name"></div>
      <div class="facts"><span class="score"></span><span class="answer"></span></div>
      <p class="notice"></p>
    </div>
    <div class="answers">
      <button class="big cull-button" data-do="answer" data-label="cull">Cull</button>
      <button class="big keep-button" data-do="answer" data-label="keep">Keep</button>
      <button data-do="undo">Undo</button><button data-do="skip">Skip</button>
      <button data-do="previous">Previous</button><button data-do="next">Next</button>
    </div>
    <p class="counts"></p>
    <p class="advice"></p>
    <p class="error" role="alert"></p>
    <div class="strip" aria-label="Labeled so far"></div>
  </div>
</div>
"""

CSS = """
.desk { display: grid; grid-template: minmax(0, 1fr) auto / minmax(0, 1fr) 19rem; gap: .6rem 1.5rem;
        height: calc(100vh - 8.6rem); min-height: 28rem; }
.stage { position: relative; background: var(--surround); display: grid; place-items: center; border-radius: 4px; }
.photo { position: absolute; inset: 1.25rem; width: calc(100% - 2.5rem); height: calc(100% - 2.5rem);
         object-fit: contain; }
.photo[hidden] { display: none; }
.stage .empty { color: white; font-size: 1.05rem; max-width: 26rem; text-align: center; margin: 0; }
.side { grid-area: 1 / 2 / 3 / 3; display: flex; flex-direction: column; gap: .8rem; min-height: 0; overflow-y: auto; }
.side p, .legend { margin: 0; }
.name { font-weight: 600; overflow-wrap: anywhere; line-height: 1.3; }
.facts { display: flex; gap: .8rem; min-height: 1.5rem; font-variant-numeric: tabular-nums; }
.answer { font-weight: 600; }
.answer.keep { color: var(--keep-ink); } .answer.cull { color: var(--cull-ink); }
.notice, .legend, .counts, .score { color: var(--body-text-color-subdued); font-size: .875rem; }
.legend { font-size: .8rem; line-height: 1.7; } .legend kbd { margin-left: .1rem; }
.counts { font-variant-numeric: tabular-nums; }
.error { color: var(--cull-ink); }
.notice:empty, .advice:empty, .error:empty, .empty:empty { display: none; }
.answers { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; }
button { padding: .45rem .6rem; border-radius: 4px; border: 1px solid var(--border-color-primary); cursor: pointer;
         background: var(--background-fill-secondary); color: var(--body-text-color); font-size: .875rem; }
button:hover { filter: brightness(.96); }
button:focus-visible { outline: 2px solid var(--keep-ink); outline-offset: 2px; }
button:disabled { opacity: .45; cursor: default; }
.big { padding: .85rem .6rem; font-size: 1rem; font-weight: 600; color: white; border: 0; }
.keep-button { background: var(--keep); } .cull-button { background: var(--cull); }
.big:hover { filter: brightness(1.1); }
kbd { font: inherit; font-size: .75rem; border: 1px solid var(--border-color-primary); border-radius: 3px;
      padding: .05rem .35rem; background: var(--background-fill-secondary); color: var(--body-text-color); }
.strip { display: grid; grid-template-columns: repeat(4, 1fr); gap: .4rem; }
.strip button { padding: 0; border: 0; border-bottom: 3px solid; border-radius: 2px; aspect-ratio: 1; overflow: hidden;
                background: none; }
.strip button.keep { border-color: var(--keep); } .strip button.cull { border-color: var(--cull); }
.strip img { width: 100%; height: 100%; object-fit: cover; display: block; }
@media (max-width: 60rem) {
  .desk { display: block; height: auto; } .desk > * { margin-bottom: .8rem; } .stage { height: 55vh; }
}
"""

SCRIPT = """
const find = (name) => element.querySelector('.' + name);
const say = (name, text) => { find(name).textContent = text || ''; };
const KEYS = { k: 'keep', p: 'keep', arrowright: 'keep', c: 'cull', x: 'cull', arrowleft: 'cull' };
let current = null;         // the photo on screen; null while none may be answered
let upcoming = [];          // what the last reply offered next
const underway = new Set(); // keys whose answer is sent and not yet acknowledged
let trail = [];             // keys in the order seen, for Previous and Next
let looking = false;        // a reply will say which photo to show
let replies = Promise.resolve(); // one request at a time, so that the journal has the order of the presses

function draw() {
  const photo = find('photo');
  photo.hidden = !current;
  if (current && photo.getAttribute('src') !== current.large) photo.src = current.large;
  photo.alt = current ? current.key : '';
  say('name', current && current.key);
  say('score', current && current.p_keep && 'Score: ' + current.p_keep + ' keep');
  find('notice').hidden = !current || !current.p_keep;
  say('answer', current && current.label && 'You: ' + current.label);
  find('answer').className = 'answer ' + ((current && current.label) || '');
  element.querySelectorAll('[data-do=answer], [data-do=skip]').forEach((button) => { button.disabled = !current; });
  const at = current ? trail.indexOf(current.key) : trail.length;
  element.querySelector('[data-do=previous]').disabled = at <= 0;
  element.querySelector('[data-do=next]').disabled = at >= trail.length - 1;
  const next = upcoming.find((offer) => !current || offer.key !== current.key);
  if (next) new Image().src = next.large;
}

function show(photo) {
  current = photo;
  if (photo && !trail.includes(photo.key)) trail.push(photo.key);
  draw();
}

function advance() {
  const next = upcoming.find((offer) => !underway.has(offer.key));
  upcoming = upcoming.filter((offer) => offer !== next);
  show(next || null);
}

function receive(view, isAsked) {
  upcoming = view.upcoming;
  if (!trail.length) trail = view.labeled.map((photo) => photo.key);
  say('counts', view.counts); say('error', view.error); say('notice', view.notice);
  find('strip').replaceChildren(...view.labeled.slice().reverse().map(thumbnail));
  const isHere = view.photo && current && view.photo.key === current.key;
  if (view.photo && (isAsked || isHere || view.error)) show(view.photo);
  else if (isAsked || !current) advance();
  else { current = upcoming.find((offer) => offer.key === current.key) || current; draw(); }
  say('advice', current ? view.advice : '');
  say('empty', current || underway.size ? '' : view.advice);
}

function thumbnail(photo) {
  const button = document.createElement('button'), image = document.createElement('img');
  button.className = photo.label; button.title = image.alt = photo.key + ': ' + photo.label;
  image.src = photo.small;
  button.append(image);
  button.onclick = () => look(photo.key);
  return button;
}

// `isAsked`: the reply decides which photo is shown; until it comes, presses are not taken.
function send(request, isAsked) {
  looking = looking || isAsked;
  const end = () => { if (isAnswer(request)) underway.delete(request.key); if (isAsked) looking = false; };
  replies = replies.then(() => server.act(request)).then(
    (view) => { end(); receive(view, isAsked); },
    () => { end(); say('error', 'The app does not answer. Start it again, then reload this page.'); });
}

function isAnswer(request) { return request.do === 'answer' || request.do === 'skip'; }

function look(key) { if (!looking) send({ do: 'look', key }, true); }

function press(what, label) {
  if (looking) return;
  if (what === 'undo') { send({ do: 'undo' }, true); return; }
  if (what === 'previous' || what === 'next') {
    const at = current ? trail.indexOf(current.key) : trail.length;
    const key = trail[at + (what === 'next' ? 1 : -1)];
    if (key) look(key);
    return;
  }
  if (!current) return;
  if (what === 'skip' && current.label) { look(); return; }
  underway.add(current.key);
  send({ do: what, key: current.key, label }, false);
  advance();
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-do]');
  if (button && !button.disabled) press(button.dataset.do, button.dataset.label);
});

function onKey(event) {
  if (!element.isConnected) { document.removeEventListener('keydown', onKey); return; }
  const typing = event.target.closest && event.target.closest('input, textarea, select, [contenteditable=true]');
  if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey || !element.offsetParent) return;
  const key = event.key.toLowerCase();
  if (key in KEYS) press('answer', KEYS[key]);
  else if (key === 'u') press('undo');
  else if (key === 's') press('skip');
  else return;
  event.preventDefault();
}
document.addEventListener('keydown', onKey);
watch('value', () => { if (!looking && !underway.size) send({ do: 'look', key: current && current.key }, false); });
look();
"""
