// Moments on the Review screen: the headers above them, and what is offered to be answered in one step.
import { drawHead } from './review_cells.js';
import { headOf, isEmptied, sectionsOf, weigh } from './logic/review_moments.js';
import { offerOf } from './logic/review_offers.js';
import { write } from './writing.js';

// `view`: table, threshold; gets `leaving`, the rows that are offered to be culled.
export function makeMoments(find, view, selection) {
  let sections = null, weights = null, offer = null;
  return {
    offer: () => offer,
    // What the headers, the marks and the offer say of the threshold and the answers as they are now.
    draw(filter) {
      weights = weigh(view.table, view.threshold);
      offer = offerOf(view.table, view.threshold, filter);
      view.leaving = new Set(offer?.label === 'cull' ? offer.rows : []);
      if (!find('.offer')) return;
      find('.offer').hidden = !offer;
      write(find('.offer span'), offer?.words ?? '');
      write(find('.offer button'), offer?.button ?? '');
    },
    // How many photos each section of the list has.
    counts(isHeaded) {
      sections = isHeaded ? sectionsOf(view.table, weights, selection.shown()) : [{ count: selection.shown().length }];
      return sections.map(({ count }) => count);
    },
    drawHead(head, at) {
      const section = sections[at], hasButton = isEmptied(view.table, weights, section.first);
      drawHead(head, headOf(view.table, weights, selection.shown(), section, view.threshold), hasButton ? section.first : null);
    },
  };
}
