// Ask a screen's `respond` on the server; the reply is an object whose `error` is a sentence or empty.
// The stage is part of every request: where the work has gone on to the next one, the page starts afresh.
let knownStage;
async function act(screen, request) {
  const reply = await fetch(`act/${screen}`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ stage: knownStage, ...request }),
  });
  if (!reply.ok) throw new Error(await reply.text());
  const answer = await reply.json();
  if (knownStage && answer.stage && answer.stage !== knownStage) location.reload();
  knownStage = answer.stage || knownStage;
  return answer;
}
