// Ask a screen's `respond` on the server; the reply is an object whose `error` is a sentence or empty.
async function act(screen, request) {
  const reply = await fetch(`act/${screen}`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(request),
  });
  if (!reply.ok) throw new Error(await reply.text());
  return reply.json();
}
