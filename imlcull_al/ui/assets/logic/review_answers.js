// Answers given on the Review screen: those under way, shown before the server acknowledged them, and those to undo.
// A change is { number, keys, codes }: the press, its photos, and the label code that each will have.

export function makeAnswers() {
  let underway = [];  // changes
  let mine = [];      // answers given here, for undo: number, keys, previous codes, isMore
  return {
    // Press `number` gave `code` to photos that had the codes `before`. `isMore`: it is undone with the answer before it.
    give(number, keys, code, before, isMore = false) {
      mine.push({ number, keys, before, isMore });
      underway.push({ number, keys, codes: keys.map(() => code) });
    },
    // The last answer given here, to be undone; without keys if there is none.
    takeBack: () => mine.pop() || { keys: [], before: [] },
    // Press `number` undoes an answer that `takeBack` returned.
    undo(number, { keys, before }) { underway.push({ number, keys, codes: before }); },
    // Apply what is under way to a column of label codes. `rowOf`: name → row.
    layOver(labels, rowOf) {
      underway.forEach(({ keys, codes }) => {
        keys.forEach((key, at) => { if (rowOf.has(key)) labels[rowOf.get(key)] = codes[at]; });
      });
    },
    // Outcome of presses: numbers delivered, numbers refused, and the keys that were undone. Returns the keys of photos
    // whose answer from an earlier page was undone.
    took(arrived, refused, undone) {
      const found = undone.flatMap(({ number, keys }) => settle(underway.find((each) => each.number === number), keys));
      underway = underway.filter(({ number }) => !arrived.includes(number) && !refused.includes(number));
      mine = mine.filter(({ number }) => !refused.includes(number));
      return found;
    },
    forget() { mine = []; },
  };

  function settle(change, undone) {
    if (!change) return [];
    return !change.keys.length && undone.length === 1 ? undone : []; // what it left was answered by somebody else
  }
}
