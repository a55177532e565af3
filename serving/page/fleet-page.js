import { MAX_GPUS } from './api.js';
import { AlertList } from './alert-list.js';
import { bar, h, setText } from './dom.js';
import { ABSENT, ago, count, dollars, fixed, millions, percent, time, words } from './format.js';

// The fleet as a table, with its totals and filters. Rows are kept by GPU and moved, not made anew, so that focus and
// selection outlive an update.

const GRADE_RANK = ['excellent', 'good', 'fair', 'degraded', 'poor', 'critical'];

/** `value` sorts; numbers start with the greatest first, text with A. */
const COLUMNS = [
  { id: 'gpu', title: 'GPU', value: (gpu) => gpu.gpu_uuid, text: true },
  { id: 'host', title: 'Host', value: (gpu) => gpu.host, text: true },
  { id: 'model', title: 'Model', value: (gpu) => gpu.model, text: true },
  { id: 'risk', title: 'Risk 30 d', value: (gpu) => gpu.failure_prob_30d },
  { id: 'type', title: 'Likely failure', value: (gpu) => gpu.predicted_failure_type, text: true },
  { id: 'grade', title: 'Health', value: (gpu) => gradeRank(gpu) },
  { id: 'score', title: 'Score', value: (gpu) => gpu.score },
  { id: 'decision', title: 'Advice', value: (gpu) => gpu.decision, text: true },
  { id: 'value', title: 'Value', value: (gpu) => gpu.expected_value },
  { id: 'heard', title: 'Last reading', value: (gpu) => gpu.newest_reading_at, text: true },
];
const NUMBERS = new Set(['risk', 'score', 'value']);
/** Rows in the document at a time; more come at a press. */
const ROWS = 200;
const DRAW_INTERVAL_MS = 30_000;

function gradeRank(gpu) {
  return gpu.grade === null ? null : GRADE_RANK.indexOf(gpu.grade);
}

export class FleetPage {
  #sort = { column: COLUMNS[3], descending: true };
  #filters = { search: '', grade: '', host: '', decision: '' };
  #rows = new Map();
  #shown = ROWS;
  #timer;

  constructor(fleet, catalogue) {
    this.fleet = fleet;
    this.catalogue = catalogue;
    this.element = this.#build();
  }

  open() {
    document.title = 'Fleet · GPU Actuary';
    this.alerts.open();
    this.draw(new Set());
    // "3 min ago" grows by itself.
    this.#timer = setInterval(() => this.draw(new Set()), DRAW_INTERVAL_MS);
  }

  close() {
    this.alerts.close();
    clearInterval(this.#timer);
  }

  /** @param {Set<string>} changed GPUs whose figures are new: their rows light up */
  draw(changed) {
    this.#drawTotals();
    this.#drawHosts();
    const all = [...this.fleet.gpus.values()];
    const matching = all.filter((gpu) => this.#matches(gpu)).sort((a, b) => this.#compare(a, b));
    const visible = matching.slice(0, this.#shown);
    this.#drawRows(visible, changed);
    this.more.hidden = matching.length <= visible.length;
    setText(this.more, `Show ${count(Math.min(ROWS, matching.length - visible.length))} more`);
    setText(this.tally, this.#tallyText(matching.length, all.length));
    const emptiness = this.#emptiness(all.length, matching.length);
    this.empty.hidden = emptiness === null;
    this.scroller.hidden = emptiness !== null;
    setText(this.empty, emptiness ?? '');
  }

  #tallyText(matching, all) {
    if (!this.fleet.loaded) return '';
    const cut = this.fleet.truncated ? ` (the ${count(MAX_GPUS)} with the highest risk)` : '';
    return matching === all ? `${count(all)} GPUs${cut}` : `${count(matching)} of ${count(all)} GPUs${cut}`;
  }

  #emptiness(all, matching) {
    if (!this.fleet.loaded)
      return this.fleet.error === null ? 'Reading the fleet…' : `The fleet cannot be read: ${this.fleet.error.message}`;
    if (all === 0) return 'No GPU has been heard of yet. Rows appear as soon as telemetry arrives.';
    return matching === 0 ? 'No GPU matches these filters.' : null;
  }

  #build() {
    this.totals = {
      gpus: tile('GPUs'),
      risk: tile(`At risk: ≥ ${this.catalogue.at_risk * 100} % in 30 d`),
      failures: tile('Failures expected, 30 d'),
      value: tile('Value as advised'),
    };
    this.grades = h('ul', { class: 'grades', 'aria-label': 'GPUs by health' });
    this.alerts = new AlertList(null);
    this.hosts = h('datalist', { id: 'hosts' });
    this.tally = h('p', { class: 'tally', role: 'status' });
    this.headers = COLUMNS.map((column) => this.#header(column));
    this.body = h('tbody', { onclick: (event) => openRow(event) });
    this.more = h('button', { type: 'button', class: 'more', onclick: () => this.#showMore() });
    this.empty = h('p', { class: 'empty' });
    this.scroller = h(
      'div',
      { class: 'scroller' },
      h(
        'table',
        { class: 'fleet' },
        h('caption', { class: 'hidden' }, 'GPUs of the fleet'),
        h('thead', {}, h('tr', {}, ...this.headers)),
        this.body,
      ),
      this.more,
    );
    return h(
      'div',
      { class: 'page' },
      h('h1', { class: 'hidden' }, 'Fleet'),
      h('dl', { class: 'tiles' }, ...Object.values(this.totals).map(({ element }) => element)),
      this.grades,
      this.alerts.element,
      h('div', { class: 'filters', role: 'search' }, ...this.#controls(), this.hosts, this.tally),
      this.empty,
      this.scroller,
    );
  }

  #controls() {
    const set = (name) => (event) => {
      this.#filters[name] = event.target.value;
      this.#shown = ROWS;
      this.draw(new Set());
    };
    const choice = (label, name, values) =>
      h(
        'label',
        {},
        h('span', {}, label),
        h(
          'select',
          { name, onchange: set(name) },
          h('option', { value: '' }, 'any'),
          ...values.map((value) => h('option', { value }, words(value))),
          h('option', { value: 'none' }, 'none'),
        ),
      );
    return [
      h(
        'label',
        { class: 'wide' },
        h('span', {}, 'Search'),
        h('input', { type: 'search', name: 'search', placeholder: 'UUID, model or host', oninput: set('search') }),
      ),
      choice('Health', 'grade', this.catalogue.grades),
      choice('Advice', 'decision', this.catalogue.decisions),
      h(
        'label',
        {},
        h('span', {}, 'Host'),
        h('input', { type: 'search', name: 'host', list: 'hosts', placeholder: 'any', oninput: set('host') }),
      ),
    ];
  }

  #header(column) {
    const button = h('button', { type: 'button', onclick: () => this.#sortBy(column) }, column.title);
    return h('th', { scope: 'col', class: `c-${column.id}`, 'aria-sort': this.#ariaSort(column) }, button);
  }

  #sortBy(column) {
    const again = this.#sort.column === column;
    this.#sort = { column, descending: again ? !this.#sort.descending : !column.text };
    COLUMNS.forEach((each, index) => this.headers[index].setAttribute('aria-sort', this.#ariaSort(each)));
    this.draw(new Set());
  }

  #ariaSort(column) {
    if (this.#sort.column !== column) return 'none';
    return this.#sort.descending ? 'descending' : 'ascending';
  }

  #showMore() {
    this.#shown += ROWS;
    this.draw(new Set());
  }

  #matches(gpu) {
    const { search, grade, host, decision } = this.#filters;
    if (grade !== '' && (gpu.grade ?? 'none') !== grade) return false;
    if (decision !== '' && (gpu.decision ?? 'none') !== decision) return false;
    if (host !== '' && !(gpu.host ?? '').toLowerCase().includes(host.trim().toLowerCase())) return false;
    const wanted = search.trim().toLowerCase();
    return wanted === '' || `${gpu.gpu_uuid} ${gpu.model ?? ''} ${gpu.host ?? ''}`.toLowerCase().includes(wanted);
  }

  #compare(a, b) {
    const { column, descending } = this.#sort;
    const left = column.value(a);
    const right = column.value(b);
    if (left !== right) {
      // What is not known comes last, whichever way.
      if (left === null) return 1;
      if (right === null) return -1;
      return (left < right ? -1 : 1) * (descending ? -1 : 1);
    }
    return a.gpu_uuid < b.gpu_uuid ? -1 : 1;
  }

  #drawTotals() {
    const { totals } = this.fleet;
    if (totals === null) return;
    const atRisk = totals.at_least[String(this.catalogue.at_risk)];
    setText(this.totals.gpus.value, count(totals.gpus));
    setText(this.totals.risk.value, count(atRisk));
    this.totals.risk.element.classList.toggle('alarming', atRisk > 0);
    setText(this.totals.failures.value, fixed(totals.expected_failures['30d'], 1));
    const valued = totals.gpus - totals.by_decision.none;
    setText(this.totals.value.value, valued === 0 ? ABSENT : millions(totals.expected_value));
    setText(
      this.totals.value.note,
      valued === totals.gpus ? '' : `${count(valued)} of ${count(totals.gpus)} GPUs valued`,
    );
    const names = [...GRADE_RANK, 'none'].filter((grade) => grade !== 'none' || totals.by_grade.none > 0);
    this.grades.replaceChildren(
      ...names.map((grade) =>
        h('li', {}, gradeMark(grade === 'none' ? null : grade), h('b', {}, count(totals.by_grade[grade]))),
      ),
    );
  }

  #drawHosts() {
    const hosts = [...new Set([...this.fleet.gpus.values()].map(({ host }) => host))].filter((host) => host !== null);
    if (hosts.length === this.hosts.childElementCount) return;
    this.hosts.replaceChildren(...hosts.sort().map((host) => h('option', { value: host })));
  }

  #drawRows(gpus, changed) {
    const focused = document.activeElement;
    const wanted = new Set(gpus.map(({ gpu_uuid }) => gpu_uuid));
    for (const [uuid, row] of this.#rows)
      if (!wanted.has(uuid)) {
        row.element.remove();
        this.#rows.delete(uuid);
      }
    let place = this.body.firstChild;
    for (const gpu of gpus) {
      let row = this.#rows.get(gpu.gpu_uuid);
      if (row === undefined) {
        row = new Row(gpu.gpu_uuid);
        this.#rows.set(gpu.gpu_uuid, row);
      }
      row.draw(gpu, this.catalogue.at_risk, changed.has(gpu.gpu_uuid));
      if (row.element === place) place = place.nextSibling;
      else this.body.insertBefore(row.element, place);
    }
    // Moving a row takes the focus off it.
    if (focused !== document.activeElement && this.body.contains(focused)) focused.focus({ preventScroll: true });
  }
}

function tile(label) {
  const value = h('span', {}, ABSENT);
  const note = h('small', {});
  return { value, note, element: h('div', { class: 'tile' }, h('dt', {}, label), h('dd', {}, value, ' ', note)) };
}

/** Grade by colour, shape of text and position: never by colour alone. */
export function gradeMark(grade) {
  return h('span', { class: 'grade', 'data-grade': grade ?? 'none' }, words(grade ?? 'not graded'));
}

function openRow(event) {
  if (event.target.closest('a') !== null || String(getSelection()) !== '') return;
  const link = event.target.closest('tr')?.querySelector('a');
  if (link) location.hash = link.hash;
}

class Row {
  constructor(uuid) {
    this.cells = Object.fromEntries(
      COLUMNS.map(({ id }) => [id, h('td', { class: `c-${id}${NUMBERS.has(id) ? ' number' : ''}` })]),
    );
    this.link = h('a', { href: `#/gpu/${encodeURIComponent(uuid)}`, title: uuid }, uuid);
    this.sub = h('span', { class: 'sub' });
    this.cells.gpu.append(this.link, this.sub);
    this.bar = bar();
    this.risk = h('span', {});
    this.cells.risk.append(h('span', { class: 'risk' }, this.risk, this.bar.element));
    // On a narrow screen the advice stands below its value.
    this.value = h('span', {});
    this.advice = h('span', { class: 'sub', 'aria-hidden': 'true' });
    this.cells.value.append(this.value, this.advice);
    this.element = h('tr', { 'data-gpu': uuid }, ...Object.values(this.cells));
    this.element.addEventListener('animationend', () => this.element.classList.remove('fresh'));
  }

  draw(gpu, atRisk, isFresh) {
    setText(this.sub, gpu.host ?? gpu.model ?? '');
    setText(this.cells.host, gpu.host ?? ABSENT);
    setText(this.cells.model, gpu.model ?? ABSENT);
    setText(this.risk, percent(gpu.failure_prob_30d));
    this.bar.to(gpu.failure_prob_30d ?? 0);
    this.cells.risk.classList.toggle('alarming', gpu.failure_prob_30d !== null && gpu.failure_prob_30d >= atRisk);
    setText(this.cells.type, gpu.predicted_failure_type === null ? ABSENT : words(gpu.predicted_failure_type));
    if (this.grade !== gpu.grade) this.cells.grade.replaceChildren(gradeMark(gpu.grade));
    this.grade = gpu.grade;
    setText(this.cells.score, fixed(gpu.score, 1));
    setText(this.cells.decision, gpu.decision === null ? ABSENT : words(gpu.decision));
    setText(this.value, dollars(gpu.expected_value));
    setText(this.advice, gpu.decision ?? '');
    setText(this.cells.heard, ago(gpu.newest_reading_at));
    this.cells.heard.title = time(gpu.newest_reading_at);
    if (isFresh) this.element.classList.add('fresh');
  }
}
