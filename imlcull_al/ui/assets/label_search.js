// Search on the Label screen.
function search() {
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const text = searching.value.trim();
    if (!text) { closeSearch(); return; }
    const reply = await act('label', { do: 'find', text }).catch(() => null);
    if (!reply || !reply.found || searching.value.trim() !== text) return;
    find('found').replaceChildren(...reply.found.map(hit), ...(reply.found.length < reply.total || !reply.total ? [rest(reply)] : []));
    find('found').hidden = false;
  }, 120);
}

function hit(photo) {
  const button = document.createElement('button');
  button.textContent = `${photo.number} · ${photo.key}`;
  button.className = photo.label || '';
  button.onclick = () => { closeSearch(); searching.value = ''; visit(photo); };
  return button;
}

function rest({ found, total }) {
  const line = document.createElement('p');
  line.textContent = total ? `and ${total - found.length} more` : 'No photo matches that name or number.';
  return line;
}

function closeSearch() { find('found').hidden = true; find('found').replaceChildren(); searching.blur(); }

searching.addEventListener('input', search);
searching.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') { searching.value = ''; closeSearch(); }
  if (event.key === 'Enter') find('found').querySelector('button')?.click();
  if (event.key === 'ArrowDown') { find('found').querySelector('button')?.focus(); event.preventDefault(); }
});
find('search').addEventListener('focusout', (event) => {
  if (!find('search').contains(event.relatedTarget)) find('found').hidden = true;
});
