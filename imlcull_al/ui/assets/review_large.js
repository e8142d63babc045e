// The large view of the Review screen.
function openLarge() {
  if (!shown.length) return;
  if (!closer.open) { closer.showModal(); closer.focus(); } // focus the dialog, so that none of its buttons takes Enter
  drawLarge();
}

function drawLarge() {
  const row = shown[focus], image = find('.large');
  if (row === undefined) return;
  const readable = isReadable(row), large = readable ? address(row, 1600) : '';
  image.hidden = !readable;
  if (image.wanted !== large) {
    image.wanted = large;
    image.removeAttribute('src');
    image.style.backgroundImage = readable ? `url(${address(row, 320)})` : ''; // placeholder while the large one loads
    if (large) image.src = large;
    const next = shown[focus + 1];
    if (next !== undefined && isReadable(next)) new Image().src = address(next, 1600);
  }
  image.alt = photos.names[row];
  write(find('.closer .why'), readable ? '' : `This photo can't be read: ${table.unreadable[row]}`);
  write(find('.closer .file'), photos.names[row]);
  const side = decide(table, row, threshold), about = find('.closer .facts');
  about.className = `facts ${['', 'keep', 'cull'][side]}`;
  write(about, [...facts(row).slice(0, 2), `${focus + 1} of ${shown.length.toLocaleString('en')}`].join(' · '));
  find('[data-do=previous]').disabled = focus === 0;
  find('[data-do=next]').disabled = focus === shown.length - 1;
  closer.dataset.label = WORDS[table.labels[row]];
}
