// Shared by all screens of the page; created by the first one to load.
function makePage() {
  const act = makeAct(() => !outbox.pending().length), outbox = makeOutbox(act);
  return { act, outbox, hands: makeHands() };
}
const { act, outbox, hands } = (window.imlcull ||= makePage());
