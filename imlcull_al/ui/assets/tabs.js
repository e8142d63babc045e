// Reopen the same tab after a reload.
() => {
  const memory = 'imlcull tab', tabs = () => [...document.querySelectorAll('button[role=tab]')];
  document.addEventListener('click', (event) => {
    const tab = event.target.closest('button[role=tab]');
    if (!tab) return;
    try { sessionStorage.setItem(memory, tab.textContent.trim()); } catch { /* storage is disabled */ }
    if (event.detail) tab.blur(); // by pointer, not keyboard: leave the arrow keys to the tab's content
  });
  let remembered = null;
  try { remembered = sessionStorage.getItem(memory); } catch { /* storage is disabled */ }
  let tries = 40; // on a public page the tabs appear a moment later
  const open = () => {
    const tab = tabs().find((each) => each.textContent.trim() === remembered && each.offsetParent);
    if (tab && tab.ariaSelected !== 'true') tab.click();
    else if (!tab && (tries -= 1)) setTimeout(open, 100);
  };
  if (remembered) open();
}
