// Ask a screen's `respond` on the server; the reply is an object whose `error` is a sentence or empty. Rejects while the
// server is away, with `status` where something answered in its place.
// Every request says which stage of which project it is about, and an answer goes there, even when the work has gone on
// to another one meanwhile: then the page starts afresh, once nothing is on its way any more (`isIdle`).
function makeAct(isIdle) {
  const PATIENCE = 30000; // milliseconds; a connection that broke without a word never answers
  const here = {};        // stage and project of this page, as the first reply named them
  let open = 0, isStale = false;

  async function act(screen, request) {
    open += 1;
    try {
      const reply = await fetch(`act/${screen}`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ ...here, ...request }), signal: AbortSignal.timeout(PATIENCE),
      });
      if (!reply.ok) throw Object.assign(new Error(await reply.text()), { status: reply.status });
      const answer = await reply.json();
      if (answer.now) {
        here.stage ??= answer.now;
        here.project ??= answer.project;
        isStale = answer.now !== here.stage || answer.project !== here.project;
      }
      return answer;
    } finally {
      open -= 1;
      if (isStale && !open) setTimeout(() => { if (!open && isIdle()) location.reload(); }, 300);
    }
  }

  act.here = () => ({ ...here });
  return act;
}
