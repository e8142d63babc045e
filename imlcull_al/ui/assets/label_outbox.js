// Presses on their way to the server: in order, one request at a time, and sent again until the server has them. Each
// has a number, so that the server counts one whose reply was lost only once.
// `describe()` says what else a request asks; `receive(reply, presses)` gets what came back; `tell(error, count)` how
// many presses are not saved yet, and why.
function makeOutbox({ visitor, describe, receive, tell }) {
  const rest = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
  let pending = [], number = 0, failures = 0;
  let isBusy = false, isWanted = false;

  async function ask(presses) {
    const reply = await act('label', { do: 'look', visitor, presses, ...describe() });
    if (!reply.refused) throw new Error(reply.error); // nothing was taken
    return reply;
  }

  async function pump() {
    if (isBusy) return;
    isBusy = true;
    while (isWanted) {
      isWanted = false;
      const presses = pending.slice();
      const [reply, error] = await ask(presses).then((reply) => [reply, null], (error) => [null, error]);
      failures = error ? failures + 1 : 0;
      if (error) {
        isWanted = true;
        tell(error, pending.length);
        await rest(Math.min(4000, 250 * 2 ** failures));
      } else {
        pending = pending.slice(presses.length);
        receive(reply, presses);
      }
    }
    isBusy = false;
  }

  return {
    add(press) { number += 1; pending.push({ number, ...press }); isWanted = true; },
    look() { isWanted = true; pump(); },
    pump,
    pending: () => pending,
    isFailing: () => failures > 0,
    // The page goes: what is under way may be cut off, so it goes once more, in a request that outlives the page.
    leave() {
      const body = JSON.stringify({ do: 'leave', visitor, presses: pending, stage: knownStage });
      navigator.sendBeacon('act/label', new Blob([body], { type: 'application/json' }));
    },
  };
}
