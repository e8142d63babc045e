// What the Review screen offers to answer in one step, after a look: the best frame of every moment that keeps nothing, and
// frames beyond so many of a burst.
import { beyond, bestOf, emptied, plural } from './review_moments.js';

// { label, rows, words, button }; null for nothing. `table.most`: frames to keep of a burst, 0 for all.
export function offerOf(table, threshold, filter) {
  if (filter === 'beyond') {
    const rows = beyond(table, threshold, table.most), others = rows.length === 1 ? 'frame' : 'frames';
    if (!rows.length) return null;
    const words = `${plural(rows.length, 'more frame')} would be culled. Your answers stay, and no moment is emptied.`;
    return { label: 'cull', rows, words, button: `Cull the other ${rows.length.toLocaleString('en')} ${others}` };
  }
  if (filter !== 'emptied') return null;
  const rows = bestOf(table, emptied(table, threshold));
  if (!rows.length) return null;
  return { label: 'keep', rows, words: `${plural(rows.length, 'moment')} would keep nothing.`, button: rows.length === 1 ? 'Keep its best' : 'Keep the best of each' };
}
