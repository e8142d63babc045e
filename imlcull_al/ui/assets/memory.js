// What the browser remembers of the page: for this tab, or for all (`localStorage`). Storage may be disabled.

export function remember(name, value, storage = () => sessionStorage) {
  try { storage().setItem(name, value); } catch { /* storage is disabled */ }
}

export function recall(name, storage = () => sessionStorage) {
  try { return storage().getItem(name); } catch { return null; }
}
