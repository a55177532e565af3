import { NVLINK_COUNTERS, NVLINK_SERIES_PER_COUNTER } from '../../schema/metrics.js';
import type { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { advance } from './fold.js';
import type { PackedReader, PackedWriter } from './packed.js';
import type { PaneSet } from './pane-layout.js';

/**
 * NVLink error counters of the GPUs that report any: four counters, each a total and one a link. From a counter's
 * first link on its total is left out: it would count twice.
 *
 * They are many, so a GPU's row grows with what it reports: a few numbers first, then baselines of totals, of links,
 * and only where series do not come together, their event times one by one. Rows are plain arrays, which for numbers
 * are as compact as typed ones and take no buffer of their own.
 */
const COUNTERS = NVLINK_COUNTERS.length;
const PER_COUNTER = NVLINK_SERIES_PER_COUNTER;
const SERIES_COUNT = COUNTERS * PER_COUNTER;
/** Bit of a counter's total in a set of its series; link n is bit n + 1. */
const TOTAL = 1;

// Offsets in a row. Two event times, and per counter the series that ever came and those whose last came at the
// current time; the rest came at the previous one.
const CURRENT_MS = 0;
const PREVIOUS_MS = 1;
const SEEN = 2;
const CURRENT = SEEN + COUNTERS;
/** What the newest reading of a total added: taken back if a link turns up at the same event time. */
const TOTAL_ADDED = CURRENT + COUNTERS;
const BASELINES = TOTAL_ADDED + COUNTERS;
/** Bytes of an array beside its numbers, and of the entry that finds it. */
const ARRAY_BYTES = 40;

export class NvlinkBaselines {
  private readonly rows: (number[] | undefined)[] = [];
  /** Event times by series, of GPUs whose series do not come together. */
  private readonly times = new Map<number, Float64Array>();
  bytes = 0;

  /** @param set without v2 only the order of readings is kept */
  constructor(private readonly set: PaneSet) {}

  /** Event time of the last accepted reading of a series, −Infinity for none. @param series from nvlinkFirst on */
  lastMs(slot: number, series: number): number {
    const row = this.rows[slot];
    if (row === undefined) return -Infinity;
    const times = this.times.get(slot);
    if (times !== undefined) return times[series];
    const counter = counterOf(series);
    const bit = bitOf(series);
    if ((row[SEEN + counter] & bit) === 0) return -Infinity;
    return row[(row[CURRENT + counter] & bit) === 0 ? PREVIOUS_MS : CURRENT_MS];
  }

  /** Whether readings of a series say anything of errors: a total does as long as no link of its counter was heard. */
  counts(slot: number, series: number): boolean {
    const row = this.rows[slot];
    return row === undefined || bitOf(series) !== TOTAL || (row[SEEN + counterOf(series)] & ~TOTAL) === 0;
  }

  /** @returns what a reading adds to the errors; negative where it takes back what the total had added at its time */
  take(slot: number, series: number, ms: number, value: number): number {
    const row = (this.rows[slot] ??= this.allocate());
    const counter = counterOf(series);
    const links = row[SEEN + counter] & ~TOTAL;
    const totalMs = links === 0 ? this.lastMs(slot, counter * PER_COUNTER) : NaN;
    this.heard(slot, row, series, ms);
    if (this.set === 'v1') return 0;
    if (bitOf(series) === TOTAL) {
      if (links !== 0) return 0;
      return (row[TOTAL_ADDED + counter] = advance(row, this.baseline(row, series), value, true));
    }
    let added = advance(row, this.baseline(row, series), value, true);
    if (links === 0 && totalMs >= ms) added -= row[TOTAL_ADDED + counter];
    return added;
  }

  /** Forgets a GPU. */
  free(slot: number): void {
    const row = this.rows[slot];
    if (row === undefined) return;
    this.bytes -= bytesOf(row) + (this.times.get(slot)?.byteLength ?? 0);
    this.rows[slot] = undefined;
    this.times.delete(slot);
  }

  pack(slot: number, writer: PackedWriter): void {
    const row = this.rows[slot];
    for (let counter = 0; counter < COUNTERS; counter++) {
      const seen = row === undefined ? 0 : row[SEEN + counter];
      writer.number(seen);
      for (const series of counting(counter, seen))
        if (this.set === 'v2') writer.number(row![this.baseline(row!, series)]);
    }
  }

  unpack(slot: number, reader: PackedReader): void {
    for (let counter = 0; counter < COUNTERS; counter++) {
      const seen = reader.number();
      if (seen === 0) continue;
      const row = (this.rows[slot] ??= this.allocate());
      // All of them came long ago: before whatever comes now.
      row[SEEN + counter] = seen;
      row[CURRENT + counter] = seen;
      for (const series of counting(counter, seen))
        if (this.set === 'v2') row[this.baseline(row, series)] = reader.number();
    }
  }

  encode(slot: number, writer: ByteWriter): void {
    const row = this.rows[slot] ?? [];
    writer.whole32(row.length);
    for (const value of row) writer.float64(value);
    const times = this.times.get(slot);
    writer.whole8(times === undefined ? 0 : 1);
    if (times !== undefined) writer.float64s(times, 0, SERIES_COUNT);
  }

  /** Takes what {@link encode} wrote, into a slot of which nothing is known. */
  decode(slot: number, reader: ByteReader): void {
    const length = reader.whole32();
    if (length > 0) {
      const row = Array.from({ length }, () => reader.float64());
      this.rows[slot] = row;
      this.bytes += bytesOf(row);
    }
    if (reader.whole8() === 0) return;
    const times = new Float64Array(SERIES_COUNT);
    reader.float64s(times, 0, SERIES_COUNT);
    this.times.set(slot, times);
    this.bytes += times.byteLength;
  }

  private heard(slot: number, row: number[], series: number, ms: number): void {
    const counter = counterOf(series);
    const bit = bitOf(series);
    if (!this.times.has(slot) && ms !== row[CURRENT_MS]) {
      let behind = ms < row[CURRENT_MS] ? 1 : 0;
      for (let index = 0; index < COUNTERS; index++) behind |= row[SEEN + index] & ~row[CURRENT + index];
      if (behind !== 0) this.separate(slot);
      else {
        row[PREVIOUS_MS] = row[CURRENT_MS];
        row[CURRENT_MS] = ms;
        for (let index = 0; index < COUNTERS; index++) row[CURRENT + index] = 0;
      }
    }
    row[SEEN + counter] |= bit;
    row[CURRENT + counter] |= bit;
    const times = this.times.get(slot);
    if (times !== undefined) times[series] = ms;
  }

  /** From now on an event time a series. */
  private separate(slot: number): void {
    const times = Float64Array.from({ length: SERIES_COUNT }, (_, series) => this.lastMs(slot, series));
    this.times.set(slot, times);
    this.bytes += times.byteLength;
  }

  /** Where a series' baseline lies; makes room for it. */
  private baseline(row: number[], series: number): number {
    const isTotal = bitOf(series) === TOTAL;
    const index = isTotal ? counterOf(series) : COUNTERS + series;
    const length = BASELINES + COUNTERS + (isTotal ? 0 : SERIES_COUNT);
    if (row.length < length) {
      this.bytes += 8 * (length - row.length);
      while (row.length < length) row.push(NaN);
    }
    return BASELINES + index;
  }

  private allocate(): number[] {
    const row = new Array<number>(BASELINES).fill(0);
    row[CURRENT_MS] = -Infinity;
    row[PREVIOUS_MS] = -Infinity;
    this.bytes += bytesOf(row);
    return row;
  }
}

/** Series of a counter that add to the errors: its links, and while there is none its total. */
function counting(counter: number, seen: number): number[] {
  const counted = (seen & ~TOTAL) === 0 ? seen : seen & ~TOTAL;
  return Array.from({ length: PER_COUNTER }, (_, index) => counter * PER_COUNTER + index).filter(
    (series) => (counted & bitOf(series)) !== 0,
  );
}

const counterOf = (series: number): number => Math.floor(series / PER_COUNTER);
const bitOf = (series: number): number => 1 << (series % PER_COUNTER);
const bytesOf = (row: readonly number[]): number => ARRAY_BYTES + 8 * row.length;
