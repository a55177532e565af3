import { get } from './api.js';
import { h } from './dom.js';
import { ago, words } from './format.js';

// Alerts that fire: of the fleet, or of one GPU.

const READ_INTERVAL_MS = 5_000;
/** More would hide the fleet; the API has them all. */
const SHOWN = 20;

export class AlertList {
  #timer;
  #abort = new AbortController();

  /** @param {string | null} uuid the GPU; null: all */
  constructor(uuid) {
    this.uuid = uuid;
    this.element = h('section', { class: 'alerts', 'aria-label': 'Alerts', hidden: true });
  }

  open() {
    void this.#read();
    this.#timer = setInterval(() => void this.#read(), READ_INTERVAL_MS);
  }

  close() {
    clearInterval(this.#timer);
    this.#abort.abort();
  }

  async #read() {
    const of = this.uuid === null ? '' : `&gpu_uuid=${encodeURIComponent(this.uuid)}`;
    try {
      this.#draw((await get(`/alerts?state=firing${of}`, this.#abort.signal)).items);
    } catch {
      // Whether the server answers is told elsewhere; what was shown stays.
    }
  }

  #draw(items) {
    this.element.hidden = items.length === 0;
    if (items.length === 0) return this.element.replaceChildren();
    const more = items.length - SHOWN;
    this.element.replaceChildren(
      h('h2', {}, items.length === 1 ? '1 alert' : `${items.length} alerts`),
      h('ul', { class: 'reasons' }, ...items.slice(0, SHOWN).map((alert) => line(alert))),
      ...(more > 0 ? [h('p', { class: 'note' }, `and ${more} more: /alerts`)] : []),
    );
  }
}

function line({ alert, subject, gpu_uuid, as_of, detail }) {
  const name = gpu_uuid === null ? subject : h('a', { href: `#/gpu/${encodeURIComponent(gpu_uuid)}` }, subject);
  return h(
    'li',
    { title: as_of },
    h('span', {}, h('b', {}, words(alert)), ' ', name, `: ${detail}`),
    h('span', {}, ago(as_of)),
  );
}
