// The tab in the address, and what it shows: `#review/kept`. A reload, Back and a link open it again.
let isByAddress = false; // a tab is opened by the address, not by a person

export function start() {
  document.addEventListener('click', (event) => {
    const tab = event.target.closest('button[role=tab]');
    if (!tab) return;
    if (!isByAddress && nameOf(tab) !== wanted()) history.pushState(null, '', `#${nameOf(tab)}`);
    if (event.detail) tab.blur(); // by pointer, not keyboard: leave the arrow keys to the tab's content
  });
  window.addEventListener('popstate', () => open(wanted(), 1)); // a link to a tab, too
  if (wanted()) open(wanted(), 40); // on a public page the tabs appear a moment later
}

function nameOf(tab) { return tab.textContent.trim().toLowerCase(); }

// Nothing where somebody typed an address that can't be decoded, as `#%`.
function parts() {
  try {
    return decodeURIComponent(location.hash.slice(1)).split('/');
  } catch {
    return [''];
  }
}

function wanted() { return parts()[0]; }

// What the address says that this tab shows, `all` for everything; null where the address is of another tab.
export function filterIn(tab) {
  const [name, filter = 'all'] = parts();
  return name === tab ? filter : null;
}

// The tab shows something else; Back leaves the tab, not this.
export function writeAddress(tab, filter) {
  if (wanted() === tab) history.replaceState(history.state, '', filter ? `#${tab}/${encodeURIComponent(filter)}` : `#${tab}`);
}

// Without a name: the first tab. Gives up when another is wanted meanwhile.
function open(name, tries) {
  if (name !== wanted()) return;
  const tab = [...document.querySelectorAll('button[role=tab]')].find((each) => each.offsetParent && (!name || nameOf(each) === name));
  if (!tab && tries > 1) setTimeout(open, 100, name, tries - 1);
  if (!tab || tab.ariaSelected === 'true') return;
  isByAddress = true;
  tab.click();
  isByAddress = false;
}
