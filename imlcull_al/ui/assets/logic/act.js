// Call a screen's `respond` on the server. The reply is an object whose `error` is a sentence or empty. Rejects while the
// server is unreachable, with `status` if there was an HTTP response.
// Every request names its stage and project, so an answer always reaches the right one, even after the server moved on to
// another stage. In that case the page reloads as soon as nothing is in flight (`isIdle`). `opened({ stage, project })` is
// called once, when they are known.
const PATIENCE = 30000; // milliseconds; a connection that dropped silently never responds
const PAUSE = 300;      // milliseconds before a reload, in which another request may start

export function makeAct(isIdle, reload, opened) {
  const here = {}; // stage and project of this page, from the first reply
  let open = 0, isStale = false, timer;

  async function act(screen, request) {
    open += 1;
    try {
      const reply = await fetch(`act/${screen}`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ ...here, ...request }), signal: AbortSignal.timeout(PATIENCE),
      });
      if (!reply.ok) throw Object.assign(new Error(await reply.text()), { status: reply.status });
      const answer = await reply.json();
      if (answer.now) notice(answer);
      return answer;
    } finally {
      open -= 1;
      clearTimeout(timer); // a second reload would abort the first
      if (isStale && !open) timer = setTimeout(() => { if (!open && isIdle()) reload(); }, PAUSE);
    }
  }

  function notice({ now, project }) {
    if (!here.stage) {
      Object.assign(here, { stage: now, project });
      opened(here);
    }
    isStale = now !== here.stage || project !== here.project;
  }

  act.here = () => ({ ...here });
  return act;
}
