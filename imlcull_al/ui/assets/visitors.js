// The Photos screen of a public page: files go to the server one by one, as they are.
const find = (name) => element.querySelector('.' + name);
const MOST_ERRORS = 8;
let isStopped = false, underway = null;

async function ask(path, method = 'GET') {
  const reply = await fetch(path, { method });
  return reply.ok ? reply.json() : { error: await reply.text() };
}

// XMLHttpRequest, because fetch doesn't say how much of a body has been sent.
function send(file, name, onProgress) {
  return new Promise((resolve) => {
    const request = underway = new XMLHttpRequest();
    request.open('POST', `upload?name=${encodeURIComponent(name)}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      try { resolve(JSON.parse(request.responseText)); } catch { resolve({ error: `${name}: ${request.responseText || request.status}` }); }
    };
    request.onerror = () => resolve({ error: `${name} could not be sent: the connection broke off. Try again.` });
    request.onabort = () => resolve({ error: '' });
    request.send(file);
  });
}

async function sendAll(files) {
  if (underway || !files.length) return;
  const all = files.reduce((sum, { file }) => sum + file.size, 0), began = performance.now();
  const sums = { new: 0, known: 0, passed_over: 0 };
  let before = 0;
  isStopped = false;
  find('errors').replaceChildren();
  find('outcome').textContent = '';
  find('sending').hidden = false;
  for (const [number, { file, name }] of files.entries()) {
    const reply = await send(file, name, (sent) => tell(number + 1, files.length, before + sent, all, began));
    before += file.size;
    tell(number + 1, files.length, before, all, began);
    if (reply.error) complain(reply.error);
    Object.keys(sums).forEach((name) => { sums[name] += reply[name] || 0; });
    if (isStopped) break;
  }
  underway = null;
  find('sending').hidden = true;
  find('outcome').textContent = spoken(sums);
  if (sums.new) {
    const opened = await ask('workspace/open', 'POST');
    if (opened.error) complain(opened.error);
    else find('outcome').textContent += ' Go on to Label while they are being looked at.';
  }
  look();
}

function spoken(sums) {
  const words = [`${sums.new} new photo${sums.new === 1 ? '' : 's'}.`];
  if (sums.known) words.push(`${sums.known} of that name were there already.`);
  if (sums.passed_over) words.push(`${sums.passed_over} other files were passed over.`);
  return words.join(' ');
}

function tell(number, count, sent, all, began) {
  const share = all ? sent / all : 1, seconds = (performance.now() - began) / 1000;
  const left = share > 0.02 && share < 1 ? seconds / share - seconds : 0;
  find('track i').style.transform = `scaleX(${share})`;
  find('how-far').textContent = `Sending ${number} of ${count}${left >= 1 ? ` · about ${minutes(left)} left` : ''}`;
}

function minutes(seconds) { return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`; }

function complain(text) {
  if (find('errors').children.length >= MOST_ERRORS) return;
  const line = document.createElement('li');
  line.textContent = text;
  find('errors').append(line);
}

async function look() {
  const state = await ask('workspace').catch(() => ({}));
  find('mine').hidden = !state.files;
  if (!state.files) return;
  const hours = Math.max(1, Math.round(state.seconds_left / 3600));
  find('holds').textContent = `${state.files} files, ${(state.bytes / 1e6).toFixed(1)} MB. Deleted ${hours} hours after your last visit.`;
  find('zip-words').textContent = state.culled
    ? 'The zip holds the kept photos, your labels and the model.'
    : 'The zip holds your labels and the model; the kept photos come into it with the first cull.';
}

// --- what was dropped or chosen, folders and all

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
look();
setInterval(() => { if (element.offsetParent && !underway) look(); }, 5000);
