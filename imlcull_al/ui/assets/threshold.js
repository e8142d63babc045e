// The threshold in the parts of the page that Gradio draws: it is told of changes, and tells its own.
import { threshold } from './page.js';

// `trigger` sends an event to Gradio, which then asks for `percent`.
export function start(element, watch, trigger) {
  threshold.follow(() => element.isConnected, () => trigger('select'));
  trigger('select'); // it may have been opened before this was drawn
}

export const percent = () => threshold.percent();
export function set(value) { threshold.set(value); }
