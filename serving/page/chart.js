import { h, s, setText } from './dom.js';
import { ABSENT, fixed } from './format.js';

// A line over time as SVG: axes with units and times, holes where nothing was measured, a readout under the pointer
// or the arrow keys.

const HEIGHT = 190;
const MARGIN = { top: 10, right: 12, bottom: 26, left: 44 };
const HOUR = 3_600_000;
const STEPS_HOURS = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 2160];

export class Chart {
  #points = [];
  #selected = null;
  #selectedMs = null;
  #width = 0;

  /** @param {{title: string, unit: string, kind: string, pick: (point: object) => number | null}} what */
  constructor(what) {
    this.what = what;
    this.readout = h('p', { class: 'readout' });
    this.svg = s('svg', {
      class: `chart ${what.kind}`,
      role: 'img',
      tabindex: 0,
      onpointermove: (event) => this.#point(event),
      onpointerleave: () => this.#select(null),
      onkeydown: (event) => this.#key(event),
      onblur: () => this.#select(null),
    });
    this.element = h(
      'figure',
      { class: 'plot' },
      h('figcaption', {}, h('span', {}, `${what.title}, ${what.unit}`), this.readout),
      this.svg,
    );
    this.observer = new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry.contentRect.width);
      this.#draw();
    });
  }

  open() {
    this.observer.observe(this.element);
  }

  close() {
    this.observer.disconnect();
  }

  /** @param {{at: string}[]} points oldest first
   *  @param {number} bucketMs length of time of a point; a longer step is a hole */
  show(points, bucketMs) {
    this.#points = points.map((point) => ({ ms: Date.parse(point.at), value: this.what.pick(point) }));
    this.bucketMs = bucketMs;
    // What someone is looking at stays under the pointer.
    const selectedMs = this.#selectedMs;
    const index = this.#points.findIndex(({ ms }) => ms === selectedMs);
    this.#selected = index < 0 ? null : index;
    this.#draw();
  }

  #draw() {
    const known = this.#points.filter(({ value }) => value !== null);
    if (this.#width === 0) return;
    this.svg.setAttribute('viewBox', `0 0 ${this.#width} ${HEIGHT}`);
    this.svg.setAttribute('height', HEIGHT);
    if (known.length === 0) {
      this.svg.setAttribute('aria-label', `${this.what.title}: no readings`);
      this.svg.replaceChildren(
        s('text', { class: 'none', x: this.#width / 2, y: HEIGHT / 2, 'text-anchor': 'middle' }, 'No closed hour yet'),
      );
      setText(this.readout, '');
      return;
    }
    const values = known.map(({ value }) => value);
    const low = Math.min(...values);
    const high = Math.max(...values);
    this.#scale(low, high);
    const { unit, title } = this.what;
    this.summary = `lowest ${fixed(low, 1)}, highest ${fixed(high, 1)}, last ${fixed(values.at(-1), 1)} ${unit}`;
    this.svg.setAttribute('aria-label', `${title}: ${this.summary}. Arrow keys read single points.`);
    this.cursor = s('g', { class: 'cursor', visibility: 'hidden' }, s('line', {}), s('circle', { r: 4 }));
    this.svg.replaceChildren(...this.#grid(), ...this.#lines(), this.cursor);
    this.#select(this.#selected);
  }

  #scale(low, high) {
    const span = Math.max(high - low, 1);
    this.step = niceStep(span / 4);
    this.from = Math.floor((low - span * 0.05) / this.step) * this.step;
    if (low >= 0) this.from = Math.max(0, this.from);
    this.to = Math.ceil((high + span * 0.05) / this.step) * this.step;
    const right = this.#width - MARGIN.right;
    const fromMs = this.#points[0].ms;
    const spanMs = Math.max(this.#points.at(-1).ms - fromMs, this.bucketMs);
    this.fromMs = fromMs;
    this.toMs = fromMs + spanMs;
    this.x = (ms) => MARGIN.left + ((ms - fromMs) / spanMs) * (right - MARGIN.left);
    this.y = (value) =>
      HEIGHT - MARGIN.bottom - ((value - this.from) / (this.to - this.from)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  #grid() {
    const parts = [];
    for (let value = this.from; value <= this.to + this.step / 2; value += this.step) {
      const y = this.y(value);
      parts.push(
        s('line', { class: 'grid', x1: MARGIN.left, x2: this.#width - MARGIN.right, y1: y, y2: y }),
        s(
          'text',
          { class: 'tick', x: MARGIN.left - 8, y: y + 4, 'text-anchor': 'end' },
          String(Math.round(value * 10) / 10),
        ),
      );
    }
    const room = Math.max(2, Math.floor((this.#width - MARGIN.left) / 90));
    const hours = (this.toMs - this.fromMs) / HOUR;
    const step = (STEPS_HOURS.find((each) => hours / each <= room) ?? STEPS_HOURS.at(-1)) * HOUR;
    for (let ms = Math.ceil(this.fromMs / step) * step; ms <= this.toMs; ms += step) {
      const x = this.x(ms);
      const anchor = x > this.#width - 40 ? 'end' : x < MARGIN.left + 20 ? 'start' : 'middle';
      parts.push(
        s('line', { class: 'grid', x1: x, x2: x, y1: HEIGHT - MARGIN.bottom, y2: HEIGHT - MARGIN.bottom + 4 }),
        s('text', { class: 'tick', x, y: HEIGHT - 8, 'text-anchor': anchor }, tickTime(ms, step)),
      );
    }
    return parts;
  }

  #lines() {
    const paths = [];
    let run = [];
    let lastMs = null;
    const end = () => {
      if (run.length === 1) paths.push(s('circle', { class: 'dot', cx: run[0][0], cy: run[0][1], r: 2 }));
      else if (run.length > 1)
        paths.push(s('path', { class: 'line', d: `M${run.map((at) => at.join(' ')).join('L')}` }));
      run = [];
    };
    for (const { ms, value } of this.#points) {
      if (value === null || (lastMs !== null && ms - lastMs > 1.5 * this.bucketMs)) end();
      if (value !== null) {
        run.push([this.x(ms).toFixed(1), this.y(value).toFixed(1)]);
        lastMs = ms;
      }
    }
    end();
    return paths;
  }

  #point(event) {
    if (this.#points.length === 0) return;
    const ms =
      this.fromMs + ((event.offsetX - MARGIN.left) / (this.x(this.toMs) - MARGIN.left)) * (this.toMs - this.fromMs);
    let best = 0;
    for (const [index, point] of this.#points.entries())
      if (Math.abs(point.ms - ms) < Math.abs(this.#points[best].ms - ms)) best = index;
    this.#select(best);
  }

  #key(event) {
    const last = this.#points.length - 1;
    const at = this.#selected ?? last + 1;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#select(Math.max(0, Math.min(last, to)));
  }

  #select(index) {
    this.#selected = index;
    if (this.cursor === undefined) return;
    const point = index === null ? undefined : this.#points[index];
    this.#selectedMs = point?.ms ?? null;
    this.cursor.setAttribute('visibility', point === undefined ? 'hidden' : 'visible');
    if (point === undefined) {
      setText(this.readout, this.summary);
      return;
    }
    const iso = new Date(point.ms).toISOString();
    const value = point.value === null ? ABSENT : `${fixed(point.value, 1)} ${this.what.unit}`;
    setText(this.readout, `${iso.slice(0, 10)} ${iso.slice(11, 16)}: ${value}`);
    const [line, dot] = this.cursor.children;
    const x = this.x(point.ms);
    for (const [name, at] of [
      ['x1', x],
      ['x2', x],
      ['y1', MARGIN.top],
      ['y2', HEIGHT - MARGIN.bottom],
    ])
      line.setAttribute(name, at);
    dot.setAttribute('visibility', point.value === null ? 'hidden' : 'inherit');
    dot.setAttribute('cx', x);
    dot.setAttribute('cy', this.y(point.value ?? this.from));
  }
}

/** The next of 1, 2, 5 × 10^n. */
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

function tickTime(ms, step) {
  const iso = new Date(ms).toISOString();
  return step >= 24 * HOUR || ms % (24 * HOUR) === 0 ? iso.slice(5, 10) : iso.slice(11, 16);
}
