// What a promise takes and what is known of it: the sentence above the sheet, the figures below it, and the curves.
import { number } from './logic/check_words.js';
import { act } from './page.js';
import { write } from './writing.js';

const SOON = 600, AGAIN = 3000; // milliseconds without news before the plan is made anew, and after a failure

// `ask()` gives the fields of a request; `planned(plan)` is called with each new one.
export function makeReport(element, ask, planned) {
  const find = (selector) => element.querySelector(selector), more = find('details');
  let waiting = 0, isAsking = false, isOutdated = false, curvesAt = null, known = null;

  async function plan() {
    if (isAsking) { isOutdated = true; return; }
    [isAsking, isOutdated] = [true, false];
    const reply = await act('check', { do: 'plan', ...ask() }).catch(() => null);
    isAsking = false;
    if (!element.isConnected) return;
    write(find('.trouble'), reply ? reply.error : 'The app is not responding; trying again.');
    if (reply?.revision) draw(reply);
    if (isOutdated) plan();
    else if (!reply) soon(AGAIN);
  }

  function draw(reply) {
    known = reply;
    if (find('.sentence')) drawPlan(reply);
    element.querySelectorAll('[data-queue] small').forEach((place) => {
      const left = reply.left[place.parentElement.dataset.queue];
      write(place, left ? number(left) : '');
    });
    if (find('.said').innerHTML !== reply.said) find('.said').innerHTML = reply.said;
    if (find('.more').innerHTML !== reply.more) find('.more').innerHTML = reply.more;
    planned(reply);
    if (more.open) drawCurves();
  }

  function drawPlan({ plan: sentence, then, is_ready: isReady }) {
    write(find('.sentence'), sentence);
    write(find('.then'), then);
    if (find('.ready')) find('.ready').hidden = !isReady;
  }

  async function drawCurves() {
    if (!known || curvesAt === known.revision) return;
    curvesAt = known.revision;
    const reply = await act('check', { do: 'curves' }).catch(() => null);
    if (reply?.curves !== undefined) find('.curves-here').innerHTML = reply.curves;
    else curvesAt = null;
  }

  function soon(pause = SOON) {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (element.offsetParent) plan(); }, pause);
  }

  more.addEventListener('toggle', () => { if (more.open) drawCurves(); });
  return {
    plan,
    // What is known is of another threshold.
    outdate() { known = null; },
    // Make the plan anew if it is of another revision.
    follow(revision) { if (!known || known.revision !== revision) soon(); },
    now: () => known,
  };
}
