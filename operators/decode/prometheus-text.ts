import { isUtf8 } from 'node:buffer';
import type { SampleSink } from '../../schema/batch.js';
import { DCGM_FIELDS, NVLINK_FIELD, nvlinkSeriesOf, type DcgmField } from '../../schema/dcgm-fields.js';
import { SERIES } from '../../schema/metrics.js';
import type { DecodeOutcome, RejectReading } from '../../schema/outcome.js';
import { isBlankText, normalise } from '../validate.js';
import { checkSize, deadLetter } from './checks.js';
import type { Decoder, DecodeOptions, RawMessage } from './decoder.js';
import { LabelSets, type LineLabels } from './exposition-labels.js';
import { ExpositionLines } from './exposition-lines.js';
import { MAX_EPOCH_MS } from './time.js';

/** Readings of one GPU at one time, collected over the lines of a message; reused from message to message. */
class SampleInMaking {
  uuid = '';
  timeMs = 0;
  model: string | undefined;
  host: string | undefined;
  readonly values = new Float64Array(SERIES.length).fill(NaN);
  readonly used: number[] = [];

  /** Two rows of one metric, be it two names or two MIG slices: the greater. */
  set(series: number, value: number): void {
    const before = this.values[series];
    if (before !== before) {
      this.values[series] = value;
      this.used.push(series);
    } else if (value > before) this.values[series] = value;
  }

  clear(): void {
    for (const series of this.used) this.values[series] = NaN;
    this.used.length = 0;
    this.model = undefined;
    this.host = undefined;
  }
}

const SAMPLE_LINE = /^[a-zA-Z_:][a-zA-Z0-9_:]*\s*(?:\{.*\})?\s+\S+(?:\s+-?\d+)?\s*$/;
const FLOAT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Raw exposition text: the scrape of a whole exporter, one message a host. */
export class PrometheusTextDecoder implements Decoder {
  readonly format = 'prometheus-text';
  private readonly labelSets = new LabelSets();
  private readonly regular = new ExpositionLines<{ sample: SampleInMaking; message: number }>();
  /** Counts messages. */
  private message = 0;
  private readonly pool: SampleInMaking[] = [];
  private readonly making: SampleInMaking[] = [];
  /** By UUID and time; the plain UUID where it is the record's time. */
  private readonly byKey = new Map<string, SampleInMaking>();
  private recordTimeMs = NaN;
  private reject: RejectReading = () => undefined;
  private withoutGpu = 0;
  private withoutTime = 0;
  private lines = 0;

  constructor(private readonly options: DecodeOptions) {}

  decode(message: RawMessage, into: SampleSink, reject: RejectReading): DecodeOutcome {
    const refused = checkSize(message, this.options.maxMessageBytes);
    if (refused !== null) return refused;
    const bytes = message.value!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const { timestampMs } = message;
    this.recordTimeMs = timestampMs >= 0 && timestampMs <= MAX_EPOCH_MS ? timestampMs : NaN;
    this.reject = reject;
    this.withoutGpu = 0;
    this.withoutTime = 0;
    this.lines = 0;
    this.message++;
    this.regular.begin();
    let encoding: 'utf8' | 'latin1' | undefined;
    for (let at = 0; at < bytes.length;) {
      if (bytes[at] !== HASH) {
        const next = this.regular.read(bytes, view, at);
        if (next >= 0) {
          this.regularLine(bytes);
          at = next;
          continue;
        }
      }
      let end = bytes.indexOf(NEWLINE, at);
      if (end < 0) end = bytes.length;
      if (bytes[at] === HASH) this.lines++;
      else if (end > at) {
        encoding ??= isUtf8(bytes) ? 'utf8' : 'latin1';
        const text = bytes.toString(encoding, at, end);
        this.line(text, 0, text.length);
      }
      at = end + 1;
    }
    return this.finish(bytes, into);
  }

  /** What the regular lines' reader has read: the same as {@link line} makes of it. */
  private regularLine(bytes: Buffer): void {
    const { regular } = this;
    const { labels } = regular.labels;
    const field = regular.field();
    this.lines++;
    if (field === null) return;
    if (labels.slice && field.perSlice) {
      this.reject('mig_slice', labels.uuid, SERIES[field.series].metric, `${field.name} of a MIG slice`);
      return;
    }
    const timeMs = Number.isNaN(regular.timeMs) ? this.recordTimeMs : regular.timeMs;
    if (labels.uuid === null) {
      this.noGpu(field);
      return;
    }
    if (timeMs !== timeMs) {
      this.withoutTime++;
      return;
    }
    const result = normalise(regular.value, field);
    if (typeof result !== 'number') {
      const text = bytes.toString('latin1', regular.valueStart, Math.min(regular.valueEnd, regular.valueStart + 64));
      this.reject(result, labels.uuid, SERIES[field.series].metric, `${field.name} ${text}`);
      return;
    }
    let kept = regular.labels.kept;
    if (kept === undefined || kept.message !== this.message || kept.sample.timeMs !== timeMs) {
      kept = { sample: this.sampleOf(labels, timeMs), message: this.message };
      regular.labels.kept = kept;
    }
    kept.sample.set(field.series, result);
  }

  /** A line that is no comment and not regular. */
  private line(text: string, start: number, end: number): void {
    // The name ends at the label set or at the first blank.
    let nameEnd = start;
    while (nameEnd < end && isNameCharacter(text.charCodeAt(nameEnd))) nameEnd++;
    const name = text.slice(start, nameEnd);
    const field = DCGM_FIELDS.get(name);
    if (field !== undefined) this.fieldLine(text, name, field, nameEnd, end);
    else if (!this.otherLine(text, name, nameEnd, start, end)) this.broken(text, start, end);
  }

  /** A line of no field in the catalogue: skipped, if it is a line at all. */
  private otherLine(text: string, name: string, nameEnd: number, start: number, end: number): boolean {
    const link = name.startsWith(NVLINK_PREFIX) ? this.labelsAt(text, nameEnd, end) : null;
    if (link !== null && link.labels.link >= 0) {
      const series = nvlinkSeriesOf(name, link.labels.link);
      if (series >= 0) {
        this.value(text, link.labels, { ...NVLINK_FIELD, name, series }, link.next, end);
        return true;
      }
    }
    const line = text.slice(start, end);
    if (line.trim() === '') return true;
    if (!SAMPLE_LINE.test(line)) return false;
    this.lines++;
    return true;
  }

  private fieldLine(text: string, name: string, field: DcgmField, nameEnd: number, end: number): void {
    const found = this.labelsAt(text, nameEnd, end);
    if (found === null) {
      this.broken(text, nameEnd - name.length, end);
      return;
    }
    const { labels } = found;
    if (labels.link >= 0) {
      const series = nvlinkSeriesOf(name, labels.link);
      if (series >= 0) {
        this.value(text, labels, { ...field, series }, found.next, end);
        return;
      }
    }
    this.value(text, labels, field, found.next, end);
  }

  /** The label set that starts at a position, and where the value may begin. */
  private labelsAt(text: string, at: number, end: number): { labels: LineLabels; next: number } | null {
    let open = at;
    while (open < end && isBlankCharacter(text.charCodeAt(open))) open++;
    if (text.charCodeAt(open) !== OPEN_BRACE) return open > at ? { labels: NO_LABELS, next: open } : null;
    // Values hold no braces, so the set ends at the last one of the line.
    const close = text.lastIndexOf('}', end - 1);
    if (close <= open) return null;
    const labels = this.labelSets.of(text.slice(open + 1, close));
    return labels === null ? null : { labels, next: close + 1 };
  }

  private value(text: string, labels: LineLabels, field: DcgmField, at: number, end: number): void {
    const rest = text.slice(at, end).trim();
    const blank = rest.search(/\s/);
    const valueText = blank < 0 ? rest : rest.slice(0, blank);
    const timeText = blank < 0 ? '' : rest.slice(blank).trim();
    const metric = SERIES[field.series].metric;
    if (labels.slice && field.perSlice) {
      this.lines++;
      this.reject('mig_slice', labels.uuid, metric, `${field.name} of a MIG slice`);
      return;
    }
    // The vendor's markers are no numbers, but not broken lines either.
    const marked = isBlankText(valueText);
    const raw = marked ? NaN : toFloat(valueText);
    const timeMs = timeText === '' ? this.recordTimeMs : /^-?\d+$/.test(timeText) ? Number(timeText) : undefined;
    if (raw === undefined || timeMs === undefined || Math.abs(timeMs) > MAX_EPOCH_MS) {
      this.reject('unparseable', labels.uuid, metric, `${field.name} ${rest.slice(0, 64)}`);
      return;
    }
    this.lines++;
    if (labels.uuid === null) {
      this.noGpu(field);
      return;
    }
    if (Number.isNaN(timeMs)) {
      this.withoutTime++;
      return;
    }
    const result = marked ? 'sentinel' : normalise(raw, field);
    if (typeof result !== 'number') {
      this.reject(result, labels.uuid, metric, `${field.name} ${valueText.slice(0, 64)}`);
      return;
    }
    const sample = this.sampleOf(labels, timeMs);
    sample.set(field.series, result);
  }

  /** A line that spells out the record's very time and one without a time are of one sample. */
  private sampleOf(labels: LineLabels, timeMs: number): SampleInMaking {
    const uuid = labels.uuid!;
    const key = timeMs === this.recordTimeMs ? uuid : `${uuid} ${timeMs}`;
    let sample = this.byKey.get(key);
    if (sample === undefined) {
      sample = this.pool.pop() ?? new SampleInMaking();
      sample.uuid = uuid;
      sample.timeMs = timeMs;
      this.byKey.set(key, sample);
      this.making.push(sample);
    }
    sample.model ??= labels.model;
    sample.host ??= labels.host;
    return sample;
  }

  private noGpu(field: DcgmField): void {
    this.withoutGpu++;
    const { metric } = SERIES[field.series];
    this.reject('unparseable', null, metric, `${field.name}: no UUID label of 1-128 of A-Za-z0-9._:-`);
  }

  private broken(text: string, start: number, end: number): void {
    this.reject('unparseable', null, null, text.slice(start, Math.min(end, start + 120)));
  }

  private finish(bytes: Buffer, into: SampleSink): DecodeOutcome {
    let count = 0;
    this.making.sort((a, b) => a.timeMs - b.timeMs);
    for (const sample of this.making) {
      into.begin(sample.uuid, sample.timeMs);
      for (const series of sample.used) into.set(series, sample.values[series]);
      if (sample.model !== undefined || sample.host !== undefined)
        into.describe({ model: sample.model, host: sample.host });
      if (into.end()) count++;
      sample.clear();
      this.pool.push(sample);
    }
    this.making.length = 0;
    this.byKey.clear();
    if (count > 0) return { kind: 'samples', count };
    if (bytes.toString('latin1').trim() === '') return deadLetter('empty', 'only blanks');
    if (this.withoutGpu > 0) return deadLetter('missing_gpu', 'no line names a GPU by a UUID label');
    if (this.withoutTime > 0) return deadLetter('missing_time', 'neither the lines nor the record bear a time');
    if (this.lines > 0) return deadLetter('empty', 'no reading of a known field in the scrape');
    return deadLetter('malformed', 'not exposition text');
  }
}

const NEWLINE = 0x0a;
const HASH = 0x23;
const OPEN_BRACE = 0x7b;
const NVLINK_PREFIX = 'DCGM_FI_DEV_NVLINK_';
const NO_LABELS: LineLabels = { uuid: null, model: undefined, host: undefined, slice: false, link: -1 };

/** Number of a value as exposition text writes it; undefined where it is none. */
function toFloat(text: string): number | undefined {
  if (FLOAT.test(text)) return Number(text);
  if (/^nan$/i.test(text)) return NaN;
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text);
  return infinite === null ? undefined : infinite[1] === '-' ? -Infinity : Infinity;
}

function isNameCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x3a) || code === 0x5f
  );
}

function isBlankCharacter(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d;
}
