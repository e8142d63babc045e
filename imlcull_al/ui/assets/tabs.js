// A reload comes back to the tab it left.
() => {
  const memory = 'imlcull tab', tabs = () => [...document.querySelectorAll('button[role=tab]')];
  document.addEventListener('click', (event) => {
    const tab = event.target.closest('button[role=tab]');
    if (!tab) return;
    try { sessionStorage.setItem(memory, tab.textContent.trim()); } catch { /* storage is forbidden */ }
    if (event.detail) tab.blur(); // clicked, not pressed: arrows are for what the tab shows
  });
  let remembered = null;
  try { remembered = sessionStorage.getItem(memory); } catch { /* storage is forbidden */ }
  let tries = 40; // on a public page the tabs come a moment later
  const open = () => {
    const tab = tabs().find((each) => each.textContent.trim() === remembered && each.offsetParent);
    if (tab && tab.ariaSelected !== 'true') tab.click();
    else if (!tab && (tries -= 1)) setTimeout(open, 100);
  };
  if (remembered) open();
}
