import { DCGM_FIELDS, NVLINK_FIELD, nvlinkSeriesOf, type DcgmField } from '../../schema/dcgm-fields.js';
import { NVLINK_MAX_LINKS } from '../../schema/metrics.js';
import { ByteTable } from '../../schema/byte-table.js';
import { parseLabels, type LineLabels } from './exposition-labels.js';

/** A metric name that lines begin with. */
interface Name {
  readonly id: number;
  /** Null where the catalogue does not know it. */
  readonly field: DcgmField | null;
  /** By link, where it is an NVLink counter whose link a label tells. */
  readonly byLink: readonly DcgmField[] | null;
  /** What followed it last: exporters write the same names in the same order, scrape after scrape. */
  next: Name | null;
}

/** A label set of lines, and what its reader keeps with it. */
export interface Labels<T> {
  readonly id: number;
  readonly labels: LineLabels;
  next: Labels<T> | null;
  kept: T | undefined;
}

/** A fleet has a few label sets a GPU; beyond this something makes them up, and remembering would leak. */
const MAX_LABELS = 1 << 18;
const MAX_NAMES = 1 << 14;
/** Digits, and powers of ten, that doubles hold exactly: with both, one rounding makes the right number. */
const EXACT_DIGITS = 15;
const EXACT_POWER = 22;
const POWERS_OF_TEN = Float64Array.from({ length: EXACT_POWER + 1 }, (_, exponent) => 10 ** exponent);

const NEWLINE = 0x0a;
const BLANK = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const SMALL_E = 0x65;

/**
 * Reads regular lines of exposition text where they lie: `name{labels} number` or `name{labels} number milliseconds`,
 * with single blanks. Name and labels of a line are the same from scrape to scrape, so they are looked for by what
 * followed the line before the last time, then by their bytes, and parsed only once.
 */
export class ExpositionLines<T> {
  // Of the line that was read last.
  name!: Name;
  labels!: Labels<T>;
  value = NaN;
  valueStart = 0;
  valueEnd = 0;
  /** NaN where the line bears no time. */
  timeMs = NaN;

  private readonly nameBytes = new ByteTable();
  private names: Name[] = [];
  private readonly labelBytes = new ByteTable();
  private known: Labels<T>[] = [];
  private lastName: Name | null = null;
  private lastLabels: Labels<T> | null = null;

  /** To be called before the first line of a message. */
  begin(): void {
    this.lastName = null;
    this.lastLabels = null;
    if (this.nameBytes.size > MAX_NAMES) {
      this.nameBytes.clear();
      this.names = [];
    }
    if (this.labelBytes.size > MAX_LABELS) {
      this.labelBytes.clear();
      this.known = [];
    }
  }

  /** The field that the line's reading is of, null where it is of none in the catalogue. */
  field(): DcgmField | null {
    const { field, byLink } = this.name;
    const { link } = this.labels.labels;
    return byLink !== null && link >= 0 && link < NVLINK_MAX_LINKS ? byLink[link] : field;
  }

  /**
   * @param view of the same memory as `bytes`
   * @returns where the next line begins; −1 where the line is not a regular one
   */
  read(bytes: Buffer, view: DataView, start: number): number {
    const open = this.readName(bytes, view, start);
    if (open < 0) return -1;
    const close = this.readLabels(bytes, view, open);
    return close < 0 || bytes[close] !== BLANK ? -1 : this.readValue(bytes, close + 1);
  }

  /** @returns where the labels begin, behind the brace */
  private readName(bytes: Buffer, view: DataView, start: number): number {
    const last = this.lastName;
    // A metric's lines stand together: one a GPU.
    for (let likely = last, tries = 0; likely !== null && tries < 2; likely = likely.next, tries++) {
      const end = this.nameBytes.endIn(likely.id, view, start);
      if (end < 0 || bytes[end] !== OPEN) continue;
      this.name = this.lastName = likely;
      return end + 1;
    }
    let end = start;
    while (isNameByte(bytes[end])) end++;
    if (end === start || bytes[end] !== OPEN) return -1;
    const id = this.nameBytes.find(bytes, start, end);
    const name = id < 0 ? this.learnName(bytes, start, end) : this.names[id];
    if (name === null) return -1;
    if (last !== null) last.next = name;
    this.name = this.lastName = name;
    return end + 1;
  }

  /** @returns where they end, behind the brace */
  private readLabels(bytes: Buffer, view: DataView, open: number): number {
    const last = this.lastLabels;
    if (last !== null && last.next !== null) {
      const end = this.labelBytes.endIn(last.next.id, view, open);
      if (end >= 0 && bytes[end] === CLOSE) {
        this.labels = this.lastLabels = last.next;
        return end + 1;
      }
    }
    // The set ends at the last brace of its line; that none follows is seen when the value is read.
    let close = open;
    for (let byte = bytes[close]; byte !== CLOSE || bytes[close + 1] !== BLANK; byte = bytes[++close])
      if (!(byte >= 0x20 && byte < 0x80)) return -1;
    const id = this.labelBytes.find(bytes, open, close);
    const labels = id < 0 ? this.learnLabels(bytes, open, close) : this.known[id];
    if (labels === null) return -1;
    if (last !== null) last.next = labels;
    this.labels = this.lastLabels = labels;
    return close + 1;
  }

  private readValue(bytes: Buffer, start: number): number {
    let at = start;
    if (bytes[at] === MINUS) at++;
    const first = at;
    let value = 0;
    for (let digit = bytes[at] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO) value = value * 10 + digit;
    let digits = at - first;
    if (digits === 0) return -1;
    let power = 0;
    if (bytes[at] === POINT) {
      const point = at++;
      for (let digit = bytes[at] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO)
        value = value * 10 + digit;
      power = point + 1 - at;
      if (power === 0) return -1;
      digits -= power;
    }
    if (bytes[at] === SMALL_E) {
      const sign = bytes[++at];
      if (sign === PLUS || sign === MINUS) at++;
      const exponentStart = at;
      let exponent = 0;
      for (let digit = bytes[at] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO)
        exponent = exponent * 10 + digit;
      if (at === exponentStart) return -1;
      power += sign === MINUS ? -exponent : exponent;
    }
    if (digits > EXACT_DIGITS || power > EXACT_POWER || power < -EXACT_POWER) return -1;
    if (power < 0) value /= POWERS_OF_TEN[-power];
    else if (power > 0) value *= POWERS_OF_TEN[power];
    this.value = bytes[start] === MINUS ? -value : value;
    this.valueStart = start;
    this.valueEnd = at;
    this.timeMs = NaN;
    if (bytes[at] === BLANK) {
      const timeStart = ++at;
      let time = 0;
      for (let digit = bytes[at] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO) time = time * 10 + digit;
      if (at === timeStart || at - timeStart > EXACT_DIGITS) return -1;
      this.timeMs = time;
    }
    if (at === bytes.length) return at;
    return bytes[at] === NEWLINE ? at + 1 : -1;
  }

  private learnName(bytes: Buffer, start: number, end: number): Name | null {
    const name = bytes.toString('latin1', start, end);
    const field = DCGM_FIELDS.get(name) ?? null;
    if (!/^[a-zA-Z_:]/.test(name)) return null;
    const byLink =
      nvlinkSeriesOf(name, 0) < 0
        ? null
        : Array.from({ length: NVLINK_MAX_LINKS }, (_, link) => ({
            ...(field ?? { ...NVLINK_FIELD, name }),
            series: nvlinkSeriesOf(name, link),
          }));
    const learnt: Name = { id: this.nameBytes.insert(bytes, start, end), field, byLink, next: null };
    this.names.push(learnt);
    return learnt;
  }

  private learnLabels(bytes: Buffer, start: number, end: number): Labels<T> | null {
    const labels = parseLabels(bytes.toString('latin1', start, end));
    if (labels === null) return null;
    const learnt: Labels<T> = { id: this.labelBytes.insert(bytes, start, end), labels, next: null, kept: undefined };
    this.known.push(learnt);
    return learnt;
  }
}

function isNameByte(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x30 && byte <= 0x3a) || byte === 0x5f
  );
}
