// The close calls of the Cull screen: large, and answered as in Review. The server redraws the screen after each answer, so
// the large view keeps its own list.
import { makeCalls } from './logic/cull_calls.js';
import { letterOf } from './logic/keys.js';
import { hands, outbox, preset } from './page.js';
import { write } from './writing.js';

const HTML = `<img alt=""><div><span class="about"></span><span class="error failed" role="alert"></span>
  <button data-do="previous" aria-label="Previous photo">‹</button><button data-answer="cull">Cull</button>
  <button data-answer="keep">Keep</button><button data-do="next" aria-label="Next photo">›</button>
  <button data-do="undo">Undo</button><button data-do="close">Close</button></div>`;
const KEYS = { u: 'undo', arrowleft: 'previous', arrowright: 'next', enter: 'close' };

export function start(element) {
  const closer = Object.assign(document.createElement('dialog'), { className: 'call-closer', ariaLabel: 'Large view', tabIndex: -1, innerHTML: HTML });
  const find = (selector) => closer.querySelector(selector);
  let calls = null;

  function draw() {
    const { key, id, said } = calls.now(), address = `photos/${id}/1600`;
    if (find('img').getAttribute('src') !== address) find('img').src = address;
    find('img').alt = key;
    write(find('.about'), `${key}, ${calls.place()}: ${said}`);
  }

  function give(label) {
    const { key } = calls.now();
    calls.answer(label, outbox.add({ do: 'answer', keys: [key], label }));
  }

  function undo() {
    const last = calls.takeBack();
    if (last) outbox.add({ do: 'undo', keys: [last.key], of: last.number });
  }

  function act(what) {
    if (what === 'close') { closer.close(); return; }
    if (what === 'undo') undo();
    else if (what === 'previous' || what === 'next') calls.move(what === 'next' ? 1 : -1);
    else give(what);
    draw();
  }

  element.addEventListener('click', (event) => {
    const chosen = event.target.closest('.call');
    if (!chosen) return;
    const all = [...element.querySelectorAll('.call')];
    calls = makeCalls(all.map((call) => ({ key: call.dataset.key, id: call.dataset.id, said: call.textContent })), all.indexOf(chosen));
    draw();
    if (!closer.isConnected) document.querySelector('.gradio-container').append(closer); // not into what is redrawn
    closer.showModal();
    closer.focus(); // so that none of its buttons takes Enter
  });
  closer.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button || (button.dataset.answer && hands.isSecond())) return; // a double click answers once
    act(button.dataset.answer ?? button.dataset.do);
  });
  closer.addEventListener('keydown', (event) => {
    const key = letterOf(event), what = preset.answerOf(key) ?? KEYS[key];
    if (!what || event.repeat || event.ctrlKey || event.metaKey || event.altKey || (what === 'close' && event.target !== closer)) return;
    event.preventDefault();
    act(what);
  });
  outbox.join({ isThere: () => element.isConnected, took() {}, said({ error }) { write(find('.error'), error); } });
}
