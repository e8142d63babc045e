// Ask a screen's `respond` on the server; the reply is an object whose `error` is a sentence or empty.
// Every request says which stage it is about, and an answer goes there, even when the work has gone on to another one
// meanwhile: then the page starts afresh, once nothing is on its way any more.
let knownStage, openRequests = 0, isStale = false;
async function act(screen, request) {
  openRequests += 1;
  try {
    const reply = await fetch(`act/${screen}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ stage: knownStage, ...request }),
    });
    if (!reply.ok) throw new Error(await reply.text());
    const answer = await reply.json();
    knownStage = knownStage || answer.now;
    isStale = Boolean(answer.now) && answer.now !== knownStage;
    return answer;
  } finally {
    openRequests -= 1;
    if (isStale && !openRequests) setTimeout(() => { if (!openRequests) location.reload(); }, 300);
  }
}
