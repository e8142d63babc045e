// The close calls in the large view of the Cull screen: which one is shown, and what was answered there.

// `photos`: { key, id, said } in order; `said`: what decides it so far. Begins with the one at `at`.
export function makeCalls(photos, at) {
  const calls = photos.map((photo) => ({ ...photo })), given = [];
  let place = at;

  const move = (steps) => { place = Math.max(0, Math.min(place + steps, calls.length - 1)); };

  return {
    now: () => calls[place],
    place: () => `${place + 1} of ${calls.length}`,
    move,
    // The answer to the photo on screen, sent as this number. The next one follows.
    answer(label, number) {
      given.push({ place, number, before: calls[place].said });
      calls[place].said = label === 'keep' ? 'kept by you' : 'culled by you';
      move(1);
    },
    // Show the photo answered last as it was; null without one. Returns its key, and the number of its answer.
    takeBack() {
      const last = given.pop();
      if (!last) return null;
      place = last.place;
      calls[place].said = last.before;
      return { key: calls[place].key, number: last.number };
    },
  };
}
