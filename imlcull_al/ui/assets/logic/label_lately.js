// The last answers, the latest first: photos as in label_queue.js. A correction leaves a photo in its place. Knows nothing of
// the page.
export const MOST = 10;

export function makeLately() {
  let list = [];

  return {
    list: () => list,
    // A photo has this label now, or none.
    note(photo, label) {
      if (!label) list = list.filter(({ key }) => key !== photo.key);
      else if (list.some(({ key }) => key === photo.key)) list = list.map((each) => (each.key === photo.key ? { ...each, label } : each));
      else list = [{ ...photo, label }, ...list].slice(0, MOST);
    },
    // Take the list of a reply. `underway`: keys with a press that was not acknowledged: what is known here is newer.
    take(sent, underway) {
      const here = new Map(list.filter(({ key }) => underway.has(key)).map((photo) => [photo.key, photo]));
      const there = sent.map((photo) => (underway.has(photo.key) ? here.get(photo.key) : photo)).filter(Boolean);
      const ahead = [...here.values()].filter(({ key }) => !sent.some((photo) => photo.key === key));
      list = [...ahead, ...there].slice(0, MOST);
    },
  };
}

// What is said of one. `label`: its answer in words.
export function spokenLately({ key }, label) { return `${key}, ${label}: show it again`; }
