// Search on the Label screen.
import { act } from './page.js';

const PAUSE = 120; // milliseconds without typing before a request

// `visit(photo)` shows the photo that was chosen.
export function addSearch({ find }, visit) {
  const input = find('search input'), found = find('found');
  let typing = 0;

  function search() {
    clearTimeout(typing);
    typing = setTimeout(async () => {
      const text = input.value.trim();
      if (!text) { close(); return; }
      const reply = await act('label', { do: 'find', text }).catch(() => null);
      if (!reply || !reply.found || input.value.trim() !== text) return;
      const isAll = reply.total > 0 && reply.found.length === reply.total;
      found.replaceChildren(...reply.found.map(hit), ...(isAll ? [] : [rest(reply)]));
      found.hidden = false;
    }, PAUSE);
  }

  function hit(photo) {
    const button = document.createElement('button');
    button.textContent = `${photo.number} · ${photo.key}`;
    button.className = ['keep', 'cull'].find((label) => label === photo.label) || '';
    button.onclick = () => { close(); input.value = ''; visit(photo); };
    return button;
  }

  function close() { found.hidden = true; found.replaceChildren(); input.blur(); }

  input.addEventListener('input', search);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') { input.value = ''; close(); }
    if (event.key === 'Enter') found.querySelector('button')?.click();
    if (event.key === 'ArrowDown') { found.querySelector('button')?.focus(); event.preventDefault(); }
  });
  find('search').addEventListener('focusout', (event) => {
    if (!find('search').contains(event.relatedTarget)) found.hidden = true;
  });
}

function rest({ found, total }) {
  const line = document.createElement('p');
  line.textContent = total ? `and ${total - found.length} more` : 'No photo matches that name or number.';
  return line;
}
