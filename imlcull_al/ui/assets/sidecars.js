// Sidecars from elsewhere: dropped or chosen, sent in parts, then read as ratings on the server.
import { parted, spokenParts } from './logic/sidecars_parts.js';
import { act } from './page.js';
import { chosenFiles, droppedFiles } from './visitors_files.js';

// Start in `element`, its HTML. `trigger` sends an event to the server.
export function start(element, watch, trigger) {
  const find = (name) => element.querySelector(`.${name}`);
  const place = find('sidecars'), said = find('said');
  let isSending = false;

  async function send(files) {
    if (isSending || !files.length) return;
    isSending = true;
    try {
      const sorted = parted(files), drop = crypto.randomUUID?.() ?? `${Math.random()}`;
      for (const [at, part] of sorted.parts.entries()) {
        said.textContent = `Sending, part ${at + 1} of ${sorted.parts.length}`;
        const { error } = await act('sidecars', { drop, part: at, sidecars: await Promise.all(part.map(encoded)) });
        if (error) throw new Error(error);
      }
      said.textContent = spokenParts(sorted);
      if (sorted.parts.length) trigger('select', { drop });
    } catch (error) {
      said.textContent = `Not read: ${error.message}`;
    } finally {
      isSending = false;
    }
  }

  place.addEventListener('dragover', (event) => { event.preventDefault(); place.classList.add('over'); });
  place.addEventListener('dragleave', () => place.classList.remove('over'));
  place.addEventListener('drop', async (event) => {
    event.preventDefault();
    place.classList.remove('over');
    send(await droppedFiles(event.dataTransfer));
  });
  for (const name of ['files', 'folder']) find(name).addEventListener('change', (event) => send(chosenFiles(event.target)));
  element.addEventListener('click', (event) => {
    const does = event.target.closest('[data-do]')?.dataset.do;
    if (does) find(does).click();
  });
}

// A file → its name and its bytes in base64.
function encoded({ file, name }) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve([name, reader.result.slice(reader.result.indexOf(',') + 1)]);
    reader.onerror = () => reject(new Error(`${name} can't be read.`));
    reader.readAsDataURL(file);
  });
}
