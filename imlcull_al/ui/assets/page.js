// What all screens of the page share; the first one to load makes it.
function makePage() {
  const act = makeAct(() => !outbox.pending().length), outbox = makeOutbox(act);
  return { act, outbox, hands: makeHands() };
}
const { act, outbox, hands } = (window.imlcull ||= makePage());
