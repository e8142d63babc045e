// The Photos screen of a public page: uploads files unchanged, one by one.
import { chosenFiles, droppedFiles } from './visitors_files.js';
import { photosFirst, spokenHoldings, spokenProgress, spokenSums, tooLarge } from './logic/visitors_words.js';

const MOST_ERRORS = 8;
const EVERY = 5000; // milliseconds between looks
const BLOCKED = 'Your browser blocks the cookie that links you to your photos. Open this page in its own window, or allow its cookies.';

// Start the screen in `element`, its HTML.
export function start(element) {
  const find = (name) => element.querySelector(`.${name}`);
  const limits = find('visitors').dataset, drop = find('drop');
  let isSending = false, isStopped = false, isKept = false, underway = null;

  // --- sending

  async function sendAll(chosen) {
    if (isSending || !chosen.length) return;
    begin();
    const files = photosFirst(chosen, limits.photos.split(','));
    const sums = await sendEach(files, progressOf(files));
    isSending = false;
    underway = null;
    find('sending').hidden = true;
    find('outcome').textContent = spokenSums(sums);
    if (sums.new) await open();
    look();
  }

  function begin() {
    isSending = true;
    isStopped = false;
    find('errors').replaceChildren();
    find('outcome').textContent = '';
    find('sending').hidden = false;
  }

  // Returns how many were new, known and passed over. Stops at a workspace that is gone, and after many errors.
  async function sendEach(files, tell) {
    const sums = { new: 0, known: 0, passed_over: 0 };
    let before = 0;
    for (const [at, each] of files.entries()) {
      const reply = await send(each, (sent) => tell(at + 1, before + sent));
      before += each.file.size;
      tell(at + 1, before);
      if (reply.error) complain(reply.error.includes(each.name) ? reply.error : `${each.name}: ${reply.error}`);
      for (const kind of Object.keys(sums)) sums[kind] += reply[kind] || 0;
      if (reply.gone) isKept = false;
      if (reply.gone || isStopped || find('errors').children.length === MOST_ERRORS) break;
      // Without the cookie, every file would create another workspace.
      if (!isKept && reply.new && !(isKept = !(await ask('workspace')).error)) {
        complain(BLOCKED);
        return { ...sums, new: 0 };
      }
    }
    return sums;
  }

  // XMLHttpRequest, because fetch reports no upload progress.
  function send({ file, name }, onProgress) {
    const error = tooLarge({ file, name }, limits);
    if (error) return Promise.resolve({ error });
    return new Promise((resolve) => {
      const request = underway = new XMLHttpRequest();
      request.open('POST', `upload?name=${encodeURIComponent(name)}${isKept ? '&into=mine' : ''}`);
      request.setRequestHeader('Content-Type', 'application/octet-stream');
      request.upload.onprogress = (event) => onProgress(event.loaded);
      request.onload = () => {
        try { resolve(JSON.parse(request.responseText)); } catch { resolve({ error: request.responseText || `The server answered ${request.status}.` }); }
      };
      request.onerror = () => resolve({ error: 'The connection was lost. Try again.' });
      request.onabort = () => resolve({ error: '' });
      request.send(file);
    });
  }

  // A function that shows the number of the file being sent, and how many bytes were sent.
  function progressOf(files) {
    const all = files.reduce((sum, { file }) => sum + file.size, 0), began = performance.now();
    return (number, sent) => {
      const share = all ? sent / all : 1;
      find('track i').style.transform = `scaleX(${share})`;
      find('how-far').textContent = spokenProgress(number, files.length, share, (performance.now() - began) / 1000);
    };
  }

  function complain(text) {
    if (find('errors').children.length >= MOST_ERRORS) return;
    const line = document.createElement('li');
    line.textContent = text;
    find('errors').append(line);
  }

  // --- the workspace

  async function open() {
    const opened = await ask('workspace/open', 'POST');
    if (opened.error) complain(opened.error);
    else if (!isSending) find('outcome').textContent += ' Continue on the Label tab while they are analyzed.';
  }

  async function look() {
    const state = await ask('workspace');
    find('mine').hidden = !state.files;
    if (!state.files) return;
    isKept = true;
    find('holds').textContent = spokenHoldings(state);
    find('zip-words').textContent = state.culled
      ? 'The zip contains the kept photos, your labels and, once you have trained, the model.'
      : 'The zip contains your labels and, once you have trained, the model. The kept photos are added by the first cull.';
  }

  async function remove() {
    if (!confirm('Delete your photos, labels and model from this server?')) return;
    const reply = await ask('workspace', 'DELETE');
    if (reply.error) complain(reply.error);
    else location.reload();
  }

  // --- input

  drop.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', async (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    sendAll(await droppedFiles(event.dataTransfer));
  });
  for (const name of ['files', 'folder']) find(name).addEventListener('change', (event) => sendAll(chosenFiles(event.target)));
  element.addEventListener('click', (event) => {
    const does = event.target.closest('[data-do]')?.dataset.do;
    if (does === 'files' || does === 'folder') find(does).click();
    if (does === 'stop') { isStopped = true; underway?.abort(); }
    if (does === 'remove') remove();
  });
  window.addEventListener('beforeunload', (event) => { if (isSending) event.preventDefault(); });
  look();
  setInterval(() => { if (element.offsetParent && !isSending) look(); }, EVERY);
}

async function ask(path, method = 'GET') {
  try {
    const reply = await fetch(path, { method });
    return reply.ok ? reply.json() : { error: await reply.text() };
  } catch { return { error: 'The server is not responding. Try again in a moment.' }; }
}
