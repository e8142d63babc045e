// The page's own events: painted, hidden, closed, back.

export function afterPaint(work) {
  let isDone = false;
  const once = () => { if (!isDone) { isDone = true; work(); } };
  requestAnimationFrame(() => setTimeout(once));
  setTimeout(once, 200); // hidden pages get no animation frames
}

// Call `changed` when an element has another size, in CSS pixels or in those of the screen.
export function onResize(element, changed) {
  const observer = new ResizeObserver(changed);
  try { observer.observe(element, { box: 'device-pixel-content-box' }); } catch { observer.observe(element); } // WebKit has CSS pixels only
}

// Send what a beacon can carry when the page closes; beacons outlive it.
export function sendBeacon(path, body) {
  navigator.sendBeacon(path, new Blob([body], { type: 'application/json' }));
}

// Send pending presses when the page closes, ask before closing if they may be lost, and retry once it is back.
export function guardLeaving(outbox) {
  let isReloading = false; // by itself, as Gradio does once the server is back
  window.addEventListener('pagehide', () => outbox.lastWords().forEach((body) => sendBeacon('act/presses', body)));
  window.addEventListener('pageshow', (event) => { if (event.persisted) outbox.resume(); });
  window.addEventListener('online', outbox.resume);
  window.navigation?.addEventListener('navigate', (event) => {
    isReloading = event.navigationType === 'reload' && !event.userInitiated;
  });
  window.addEventListener('beforeunload', (event) => { if (outbox.isAtRisk(isReloading)) event.preventDefault(); });
}
