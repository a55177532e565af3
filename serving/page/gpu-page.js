import { getOrMissing } from './api.js';
import { AlertList } from './alert-list.js';
import { Chart } from './chart.js';
import { bar, h, setText } from './dom.js';
import { ABSENT, ago, dollars, figure, fixed, percent, time, withThousands, words } from './format.js';
import { gradeMark } from './fleet-page.js';

// One GPU: what is likely to fail and when, how healthy it is and why, what it is worth, and its figures.

const OPTIONS = [
  { decision: 'keep', field: 'npv_keep', meaning: 'earns on where it is' },
  { decision: 'sell', field: 'npv_sell', meaning: 'goes to the market' },
  { decision: 'repurpose', field: 'npv_repurpose', meaning: 'does lesser work' },
  { decision: 'decommission', field: 'salvage_value', meaning: 'scrap value' },
];
const SPANS = [
  { hours: 24, label: '24 h' },
  { hours: 72, label: '3 d' },
  { hours: 168, label: '7 d' },
];
/** Live events may come each second; the page of one GPU reads at most so often. */
const REFRESH_INTERVAL_MS = 2_000;
/** A chart of hours gains nothing from being read more often. */
const HISTORY_INTERVAL_MS = 60_000;

export class GpuPage {
  #hours = 168;
  #abort = new AbortController();
  #lastRead = 0;
  #lastHistory = 0;
  #pending = null;

  constructor(uuid, fleet, catalogue) {
    this.uuid = uuid;
    this.fleet = fleet;
    this.catalogue = catalogue;
    this.element = this.#build();
  }

  open() {
    document.title = `${this.uuid} · GPU Actuary`;
    this.alerts.open();
    for (const chart of this.charts) chart.open();
    void this.#read();
  }

  close() {
    clearTimeout(this.#pending);
    this.#abort.abort();
    this.alerts.close();
    for (const chart of this.charts) chart.close();
  }

  /** @param {Set<string>} changed GPUs with news; empty: anything may be new */
  draw(changed) {
    if (changed.size > 0 && !changed.has(this.uuid)) return;
    if (this.#pending !== null) return;
    const wait = Math.max(0, this.#lastRead + REFRESH_INTERVAL_MS - Date.now());
    this.#pending = setTimeout(() => void this.#read(), wait);
  }

  async #read() {
    this.#pending = null;
    this.#lastRead = Date.now();
    const of = (kind) => getOrMissing(`/${kind}/${encodeURIComponent(this.uuid)}`, this.#abort.signal);
    try {
      const [prediction, health, decision, features] = await Promise.all(
        ['predictions', 'health', 'decisions', 'features'].map(of),
      );
      const path = `/gpus/${encodeURIComponent(this.uuid)}/neighbours`;
      setText(this.neighbours, besideOthers(await getOrMissing(path, this.#abort.signal)));
      this.problem.hidden = true;
      if (prediction.missing === 'unknown_gpu') {
        this.problem.hidden = false;
        this.content.hidden = true;
        setText(this.problem, `No GPU ${this.uuid} is known here.`);
        return;
      }
      this.content.hidden = false;
      this.#drawHead(this.fleet.gpus.get(this.uuid), prediction);
      drawPrediction(this.prediction, prediction);
      drawHealth(this.health, health);
      drawDecision(this.decision, decision);
      this.#drawFeatures(features);
      if (Date.now() - this.#lastHistory >= HISTORY_INTERVAL_MS) await this.#readHistory();
    } catch (error) {
      if (error.name === 'AbortError') return;
      this.problem.hidden = false;
      const isNone = error.code === 'bad_request';
      if (isNone) this.content.hidden = true;
      setText(
        this.problem,
        isNone
          ? 'This address names no GPU: a UUID has letters, digits and . _ : - only. The fleet lists all that are known.'
          : `This GPU cannot be read: ${error.message}`,
      );
    }
  }

  async #readHistory() {
    const path = `/gpus/${encodeURIComponent(this.uuid)}/history?hours=${this.#hours}`;
    const history = await getOrMissing(path, this.#abort.signal);
    if (history.missing) return;
    this.#lastHistory = Date.now();
    for (const chart of this.charts) chart.show(history.points, history.bucket_seconds * 1000);
    const minutes = history.bucket_seconds / 60;
    const step = minutes < 60 ? `${minutes} min` : `${minutes / 60} h`;
    setText(
      this.source,
      `Means of ${step} from ${history.source === 'database' ? 'the database' : 'the closed hours in memory'}`,
    );
  }

  #build() {
    this.problem = h('p', { class: 'empty', role: 'alert', hidden: true });
    this.facts = h('p', { class: 'facts' });
    this.alerts = new AlertList(this.uuid);
    this.neighbours = h('p', { class: 'note' });
    this.heading = h('h1', { tabindex: -1 }, this.uuid);
    this.prediction = h('div', {});
    this.health = h('div', {});
    this.decision = h('div', {});
    this.features = h('div', {});
    this.source = h('p', { class: 'note' });
    this.charts = [
      new Chart({ title: 'Temperature', unit: '°C', kind: 'temperature', pick: (point) => point.gpu_temp }),
      new Chart({ title: 'Power', unit: 'W', kind: 'power', pick: (point) => point.power_usage }),
    ];
    this.content = h(
      'div',
      {},
      this.alerts.element,
      h(
        'div',
        { class: 'cards' },
        card('Odds of failure', this.prediction),
        card('Health', this.health),
        card('Value', this.decision),
      ),
      section(
        'Temperature and power',
        this.#spans(),
        h('div', { class: 'plots' }, ...this.charts.map(({ element }) => element)),
        this.source,
        this.neighbours,
      ),
      folded('Features', this.features),
    );
    return h(
      'div',
      { class: 'page' },
      h('p', { class: 'crumb' }, h('a', { href: '#/' }, '← Fleet')),
      this.heading,
      this.facts,
      this.problem,
      this.content,
    );
  }

  #spans() {
    const buttons = SPANS.map(({ hours, label }) =>
      h(
        'button',
        {
          type: 'button',
          'aria-pressed': String(hours === this.#hours),
          onclick: (event) => {
            this.#hours = hours;
            for (const button of buttons) button.setAttribute('aria-pressed', String(button === event.currentTarget));
            this.#readHistory().catch((error) => {
              if (error.name !== 'AbortError') setText(this.source, `The history cannot be read: ${error.message}`);
            });
          },
        },
        label,
      ),
    );
    return h('div', { class: 'spans', role: 'group', 'aria-label': 'Length of time' }, ...buttons);
  }

  #drawHead(gpu, prediction) {
    const parts = [
      gpu?.model,
      gpu?.host,
      `last reading ${ago(gpu?.newest_reading_at ?? prediction.newest_reading_at)}`,
    ];
    setText(this.facts, parts.filter(Boolean).join(' · '));
  }

  #drawFeatures(record) {
    if (record.missing) {
      this.features.replaceChildren(h('p', { class: 'empty' }, sentence(record.message)));
      return;
    }
    const rows = this.catalogue.features
      .filter(({ name }) => name in record.features)
      .map(({ name, unit, description }) =>
        h(
          'tr',
          {},
          h(
            'th',
            { scope: 'row' },
            h('code', {}, name),
            h('span', { class: 'sub', 'aria-hidden': 'true' }, description),
          ),
          h('td', { class: 'number' }, figure(record.features[name])),
          h('td', { class: 'unit' }, unit),
          h('td', {}, description),
        ),
      );
    this.features.replaceChildren(
      h(
        'div',
        { class: 'scroller' },
        h(
          'table',
          { class: 'features' },
          h(
            'thead',
            {},
            h('tr', {}, ...['Feature', 'Value', 'Unit', 'Meaning'].map((title) => h('th', { scope: 'col' }, title))),
          ),
          h('tbody', {}, ...rows),
        ),
      ),
      asOf(record, `set ${record.feature_set}`),
    );
  }
}

function besideOthers({ above_celsius: above, others, host }) {
  if (above === undefined || above === null) return '';
  const where = above < 0 ? 'below' : 'above';
  return `Mean of 24 h: ${fixed(Math.abs(above), 1)} °C ${where} the median of the ${others} other GPUs of ${host}`;
}

function drawPrediction(element, record) {
  if (record.missing) return element.replaceChildren(h('p', { class: 'empty' }, sentence(record.message)));
  const horizons = [
    ['7 days', record.failure_prob_7d],
    ['30 days', record.failure_prob_30d],
    ['90 days', record.failure_prob_90d],
  ];
  const type = record.predicted_failure_type;
  element.replaceChildren(
    h(
      'dl',
      { class: 'odds' },
      ...horizons.map(([label, value]) =>
        h('div', {}, h('dt', {}, label), h('dd', {}, percent(value)), bar(value).element),
      ),
    ),
    pairs([
      ['Likely failure', type === null ? ABSENT : `${type} (${percent(record.failure_type_prob)} if it fails)`],
      [
        'Median time to failure',
        record.estimated_ttf_days === null ? 'over a year' : `${fixed(record.estimated_ttf_days, 0)} days`,
      ],
      ['Confidence', percent(record.confidence)],
      ['Evidence covered', percent(record.coverage)],
    ]),
    factors(record.top_factors),
    asOf(record, `model ${record.model_version}${record.run_id === null ? '' : `, run ${record.run_id}`}`),
  );
}

function factors(top) {
  if (top === null || top.length === 0) return h('span', { hidden: true });
  return h(
    'div',
    {},
    h('h3', {}, 'What moves the odds'),
    h(
      'ul',
      { class: 'reasons' },
      ...top.map(({ feature, words }) => {
        // The last part of the words is what it adds.
        const at = words.lastIndexOf(', ');
        return h(
          'li',
          { title: feature },
          h('span', {}, words.slice(0, at)),
          h('b', {}, `${words.slice(at + 2)} log-odds`),
        );
      }),
    ),
  );
}

function drawHealth(element, record) {
  if (record.missing) return element.replaceChildren(h('p', { class: 'empty' }, sentence(record.message)));
  element.replaceChildren(
    h('p', { class: 'headline' }, h('b', {}, fixed(record.score, 1)), gradeMark(record.grade)),
    h(
      'dl',
      { class: 'dimensions' },
      ...Object.entries(record.dimensions).map(([name, value]) =>
        h(
          'div',
          {},
          h('dt', {}, words(name)),
          bar((value ?? 0) / 100).element,
          h('dd', {}, value === null ? 'no data' : fixed(value, 0)),
        ),
      ),
    ),
    h('h3', {}, 'What took it down'),
    record.deductions.length === 0
      ? h('p', { class: 'note' }, 'Nothing.')
      : h(
          'ul',
          { class: 'reasons' },
          ...record.deductions.map(({ factor, points, evidence }) =>
            h(
              'li',
              {},
              h('span', {}, h('strong', {}, words(factor)), ' ', h('small', {}, withThousands(evidence))),
              h('b', {}, `−${fixed(points, 1)}`),
            ),
          ),
        ),
    asOf(record, `${percent(record.coverage)} of the evidence`),
  );
}

function drawDecision(element, record) {
  if (record.missing) return element.replaceChildren(h('p', { class: 'empty' }, sentence(record.message)));
  const most = Math.max(...OPTIONS.map(({ field }) => record[field]), 1);
  element.replaceChildren(
    h('p', { class: 'headline' }, h('b', {}, dollars(record.expected_value)), h('span', {}, words(record.decision))),
    h(
      'ul',
      { class: 'options' },
      ...OPTIONS.map(({ decision, field, meaning }) => {
        const isBest = decision === record.decision;
        return h(
          'li',
          { class: isBest ? 'best' : null },
          h('span', {}, h('strong', {}, words(decision)), ' ', h('small', {}, isBest ? 'recommended' : meaning)),
          h('b', {}, dollars(record[field])),
          bar(record[field] / most).element,
        );
      }),
    ),
    h('p', { class: 'rationale' }, record.rationale),
    pairs([
      ['Confidence', percent(record.confidence)],
      ...(record.robustness === null ? [] : [['Stays best in', `${percent(record.robustness)} of drawn price worlds`]]),
    ]),
    asOf(record, `profile ${record.profile}`),
  );
}

function card(title, content) {
  return h('section', { class: 'card' }, h('h2', {}, title), content);
}

function section(title, controls, ...content) {
  return h('section', { class: 'band' }, h('div', { class: 'band-head' }, h('h2', {}, title), controls), ...content);
}

/** A section that is long on a narrow screen, and closed there until it is asked for. */
function folded(title, ...content) {
  const open = matchMedia('(min-width: 761px)').matches;
  return h('details', { class: 'band', open }, h('summary', {}, h('h2', {}, title)), ...content);
}

function pairs(rows) {
  return h(
    'dl',
    { class: 'pairs' },
    ...rows.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  );
}

function asOf(record, more) {
  return h('p', { class: 'note' }, `As of ${time(record.as_of)} · ${more}`);
}

function sentence(message) {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
}
