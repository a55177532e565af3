import { Fleet, get } from './api.js';
import { h, setText } from './dom.js';
import { FleetPage } from './fleet-page.js';
import { clockAhead } from './format.js';
import { GpuPage } from './gpu-page.js';

// Where the page starts: the connection, and which of the two views the address asks for.

const main = document.getElementById('main');
const banner = document.getElementById('banner');
const clock = document.getElementById('clock');
const connection = document.getElementById('connection');
let view = null;
let lostAt = null;

async function start() {
  let catalogue;
  try {
    catalogue = await get('/catalogue');
  } catch (error) {
    main.replaceChildren(
      h(
        'p',
        { class: 'empty', role: 'alert' },
        `${error.message} `,
        h('button', { type: 'button', onclick: () => void start() }, 'Try again'),
      ),
    );
    return;
  }
  const fleet = new Fleet(({ uuids }) => {
    showClock(fleet.totals);
    view?.draw(uuids);
  }, showConnection);
  const route = () => {
    const match = /^#\/gpu\/(.+)$/.exec(location.hash);
    show(match === null ? new FleetPage(fleet, catalogue) : new GpuPage(decode(match[1]), fleet, catalogue));
  };
  addEventListener('hashchange', () => {
    route();
    // A new view starts at its top, for eyes and for screen readers.
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  });
  route();
  fleet.start();
}

function show(next) {
  view?.close();
  view = next;
  main.replaceChildren(view.element);
  view.open();
}

function showConnection(state) {
  connection.dataset.state = state;
  setText(connection, { live: 'live', lost: 'disconnected' }[state]);
  if (state === 'live') {
    lostAt = null;
    banner.hidden = true;
    return;
  }
  lostAt ??= new Date().toISOString().slice(11, 19);
  banner.hidden = false;
  setText(banner, `No connection to the server. What you see is as of ${lostAt}; trying again.`);
}

/** A fleet that is simulated faster than real, or of which a clock is wrong: ages below mean little then. */
function showClock(totals) {
  const text = clockAhead(totals?.newest_reading_at ?? null);
  clock.hidden = text === null;
  setText(clock, text ?? '');
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

void start();
