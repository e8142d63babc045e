// The Photos screen of a public page: uploads files unchanged, one by one.
const find = (name) => element.querySelector('.' + name);
const MOST_ERRORS = 8;
const limits = find('visitors').dataset;
let isSending = false, isStopped = false, isKept = false, underway = null;

async function ask(path, method = 'GET') {
  try {
    const reply = await fetch(path, { method });
    return reply.ok ? reply.json() : { error: await reply.text() };
  } catch { return { error: 'The server is not responding. Try again in a moment.' }; }
}

// XMLHttpRequest, because fetch reports no upload progress.
function send(file, name, onProgress) {
  const most = Number(/\.zip$/i.test(name) ? limits.total : limits.photo);
  if (file.size > most) return Promise.resolve({ error: `It is larger than ${limit(most)}; leave it out.` });
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

async function sendAll(files) {
  if (isSending || !files.length) return;
  const all = files.reduce((sum, { file }) => sum + file.size, 0), began = performance.now();
  const sums = { new: 0, known: 0, passed_over: 0 };
  files.sort((a, b) => isPhoto(b) - isPhoto(a)); // photos first: a RAW file alone opens no workspace
  let before = 0;
  isSending = true;
  isStopped = false;
  find('errors').replaceChildren();
  find('outcome').textContent = '';
  find('sending').hidden = false;
  for (const [number, { file, name }] of files.entries()) {
    const reply = await send(file, name, (sent) => tell(number + 1, files.length, before + sent, all, began));
    before += file.size;
    tell(number + 1, files.length, before, all, began);
    if (reply.error) complain(reply.error.includes(name) ? reply.error : `${name}: ${reply.error}`);
    for (const each of Object.keys(sums)) sums[each] += reply[each] || 0;
    if (reply.gone) isKept = false;
    if (reply.gone || isStopped || find('errors').children.length === MOST_ERRORS) break;
    // Without the cookie, every file would create another workspace.
    if (!isKept && reply.new && !(isKept = !(await ask('workspace')).error)) {
      complain('Your browser blocks the cookie that links you to your photos. Open this page in its own window, or allow its cookies.');
      sums.new = 0;
      break;
    }
  }
  isSending = false;
  underway = null;
  find('sending').hidden = true;
  find('outcome').textContent = spoken(sums);
  if (sums.new) {
    const opened = await ask('workspace/open', 'POST');
    if (opened.error) complain(opened.error);
    else if (!isSending) find('outcome').textContent += ' Continue on the Label tab while they are analyzed.';
  }
  look();
}

function isPhoto({ name }) { return limits.photos.split(',').some((suffix) => name.toLowerCase().endsWith(suffix)); }

function spoken(sums) {
  const words = [`${sums.new.toLocaleString('en')} new photo${sums.new === 1 ? '' : 's'}.`];
  if (sums.known) words.push(`${sums.known} ${sums.known === 1 ? 'was' : 'were'} already here under the same name.`);
  if (sums.passed_over) words.push(`${sums.passed_over} other file${sums.passed_over === 1 ? ' was' : 's were'} skipped.`);
  return words.join(' ');
}

function tell(number, count, sent, all, began) {
  const share = all ? sent / all : 1, seconds = (performance.now() - began) / 1000;
  const left = share > 0.02 && share < 1 ? seconds / share - seconds : 0;
  find('track i').style.transform = `scaleX(${share})`;
  find('how-far').textContent = `Uploading ${number} of ${count}${left >= 1 ? ` · about ${minutes(left)} left` : ''}`;
}

function limit(bytes) { return bytes % 2 ** 30 ? `${Math.floor(bytes / 2 ** 20)} MB` : `${bytes / 2 ** 30} GB`; }

function size(bytes) { return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`; }

function minutes(seconds) { return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`; }

function complain(text) {
  if (find('errors').children.length >= MOST_ERRORS) return;
  const line = document.createElement('li');
  line.textContent = text;
  find('errors').append(line);
}

async function look() {
  const state = await ask('workspace');
  find('mine').hidden = !state.files;
  if (!state.files) return;
  isKept = true;
  find('holds').textContent = `${state.files.toLocaleString('en')} file${state.files === 1 ? '' : 's'}, ${size(state.bytes)}`;
  find('zip-words').textContent = state.culled
    ? 'The zip contains the kept photos, your labels and, once you have trained, the model.'
    : 'The zip contains your labels and, once you have trained, the model. The kept photos are added by the first cull.';
}

// --- dropped and chosen files, including folders

async function entriesOf(item, prefix) {
  if (item.isFile) {
    const file = await new Promise((resolve, reject) => { item.file(resolve, reject); });
    return [{ file, name: prefix + item.name }];
  }
  const reader = item.createReader(), found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) break;
    found.push(...some);
  }
  const inside = await Promise.all(found.map((each) => entriesOf(each, `${prefix}${item.name}/`)));
  return inside.flat();
}

function chosen(input) {
  const files = [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
  input.value = '';
  sendAll(files);
}

const drop = find('drop');
drop.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', async (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  const items = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  sendAll((await Promise.all(items.map((item) => entriesOf(item, '')))).flat());
});
find('files').addEventListener('change', (event) => chosen(event.target));
find('folder').addEventListener('change', (event) => chosen(event.target));
element.addEventListener('click', async (event) => {
  const does = event.target.closest('[data-do]')?.dataset.do;
  if (does === 'files' || does === 'folder') find(does).click();
  if (does === 'stop') { isStopped = true; underway?.abort(); }
  if (does === 'remove' && confirm('Delete your photos, labels and model from this server?')) {
    const reply = await ask('workspace', 'DELETE');
    if (reply.error) complain(reply.error);
    else location.reload();
  }
});
window.addEventListener('beforeunload', (event) => { if (isSending) event.preventDefault(); });
look();
setInterval(() => { if (element.offsetParent && !isSending) look(); }, 5000);
