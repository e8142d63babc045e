// The threshold, and the share of keepers that may be lost, in the parts of the page that Gradio draws: it is told of
// changes, and tells those of its slider.
import { target, threshold } from './page.js';

// `trigger` sends an event to Gradio, which then asks for `percent`.
export function start(element, watch, trigger) {
  [threshold, target].forEach((each) => each.follow(() => element.isConnected, () => trigger('select')));
  trigger('select'); // it may have been opened before this was drawn
}

export const aims = () => [threshold.percent(), target.share()];
export function set(value) { threshold.set(value); }
