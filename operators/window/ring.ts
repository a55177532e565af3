import { P, PANE_FIELDS, type PaneField, type PaneSet } from './pane-layout.js';

/** Hours of a window: the open one and the 167 closed before it. */
export const WINDOW_HOURS = 168;

type Column = Uint8Array | Uint16Array | Float32Array | Float64Array;

/**
 * Where a column of whole numbers says "too large for me, see the side table": its largest value. 0: never, the column
 * holds floating point.
 */
const MARKERS = { u4: 15, u8: 0xff, u16: 0xffff, readings: 0xff, f32: 0, f64: 0 } as const;
/** A metric's readings in an hour that has readings of other metrics only. */
const NO_READINGS = 0xfe;

/**
 * Closed panes of a fixed number of GPUs: 168 positions a GPU, hour h at position h mod 168, one typed array a field.
 * A GPU's positions are adjacent, so that folding a window is a run through memory, or two.
 *
 * - u4: two fields share a byte.
 * - readings: how many fewer they are than the event times of the hour, up to 253; 254 for none at all.
 *
 * Whole numbers too large for their column lie in a side table, so they are exact whatever their size, and the common
 * small ones cost a byte or less.
 */
export class Ring {
  readonly bytes: number;
  private readonly fields: readonly StoredField[];
  private readonly samples: Uint16Array;
  private readonly large = new Map<number, number>();

  constructor(slots: number, set: PaneSet) {
    const cells = slots * WINDOW_HOURS;
    let half: Uint8Array | undefined;
    let bytes = 0;
    this.fields = PANE_FIELDS.filter((field) => set === 'v2' || field.set === 'v1').map((field) => {
      let column: Column;
      let shift = 0;
      if (field.storage === 'u4' && half !== undefined) {
        [column, shift, half] = [half, 4, undefined];
        bytes -= column.byteLength;
      } else column = new COLUMNS[field.storage](cells);
      if (field.storage === 'u4' && shift === 0) half = column as Uint8Array;
      bytes += column.byteLength;
      return { field, column, shift, marker: MARKERS[field.storage] };
    });
    this.samples = this.fields[P.samples].column as Uint16Array;
    this.bytes = bytes;
  }

  /** Stores a pane: all fields of a float64 vector. */
  write(slot: number, hour: number, vector: Float64Array, at: number): void {
    const cell = cellOf(slot, hour);
    for (let index = 0; index < this.fields.length; index++) {
      const stored = this.fields[index];
      const { column, marker } = stored;
      const value = vector[at + index];
      if (marker === 0) {
        column[cell] = value;
        continue;
      }
      const code = stored.field.storage === 'readings' ? readingsCode(vector[at + P.samples], value) : value;
      if (this.large.size > 0) this.large.delete(cell * PANE_FIELDS.length + index);
      if (code >= marker) this.large.set(cell * PANE_FIELDS.length + index, value);
      put(stored, cell, code < marker ? code : marker);
    }
  }

  /** Empties the positions of hours `from` (included) to `until` (excluded). */
  clear(slot: number, from: number, until: number): void {
    forSegments(slot, Math.max(from, until - WINDOW_HOURS), until, (cell, count) => {
      for (const { column, field } of this.fields) column.fill(field.empty, cell, cell + count);
      if (this.large.size === 0) return;
      for (let key = cell * PANE_FIELDS.length; key < (cell + count) * PANE_FIELDS.length; key++)
        this.large.delete(key);
    });
  }

  /** Value of a field in a pane. */
  get(field: number, cell: number): number {
    const stored = this.fields[field];
    if (stored === undefined) return 0;
    const { column, shift, marker } = stored;
    if (marker === 0) return column[cell];
    const code = (column[cell] >> shift) & marker;
    if (code === marker) return this.large.get(cell * PANE_FIELDS.length + field)!;
    if (stored.field.storage !== 'readings') return code;
    return code === NO_READINGS ? 0 : this.get(P.samples, cell) - code;
  }

  /** Copies a field of adjacent panes into float64, so that what follows reads one kind of array. */
  read(field: number, cell: number, count: number, out: Float64Array, at: number): void {
    const {
      column,
      shift,
      marker,
      field: { storage },
    } = this.fields[field];
    // One loop a kind of array: a loop that meets several is several times slower.
    switch (storage) {
      case 'f64':
        return copyFloat64(column as Float64Array, cell, count, out, at);
      case 'f32':
        return copyFloat32(column as Float32Array, cell, count, out, at);
      case 'u16':
        copyUint16(column as Uint16Array, cell, count, out, at);
        break;
      case 'u8':
        copyUint8(column as Uint8Array, cell, count, out, at);
        break;
      case 'u4':
        copyUint4(column as Uint8Array, shift, cell, count, out, at);
        break;
      case 'readings':
        copyReadings(column as Uint8Array, this.samples, cell, count, out, at);
        break;
    }
    if (this.large.size === 0) return;
    for (let index = 0; index < count; index++)
      if (((column[cell + index] >> shift) & marker) === marker || this.samples[cell + index] === MARKERS.u16)
        out[at + index] = this.get(field, cell + index);
  }

  /** Sum of a field over adjacent panes. */
  sum(field: number, cell: number, count: number, scratch: Float64Array): number {
    const {
      column,
      shift,
      field: { storage },
    } = this.fields[field];
    if (this.large.size === 0)
      switch (storage) {
        case 'u8':
          return sumUint8(column as Uint8Array, cell, count);
        case 'u4':
          return sumUint4(column as Uint8Array, shift, cell, count);
        case 'f32':
          return sumFloat32(column as Float32Array, cell, count);
      }
    this.read(field, cell, count, scratch, 0);
    let sum = 0;
    for (let index = 0; index < count; index++) sum += scratch[index];
    return sum;
  }
}

interface StoredField {
  readonly field: PaneField;
  readonly column: Column;
  /** Bits that a field of half a byte lies above the lowest. */
  readonly shift: number;
  readonly marker: number;
}

const COLUMNS = {
  u4: Uint8Array,
  u8: Uint8Array,
  u16: Uint16Array,
  readings: Uint8Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;

/** Index into a ring's columns. */
export function cellOf(slot: number, hour: number): number {
  // Hours before 1970 are negative.
  const position = hour % WINDOW_HOURS;
  return slot * WINDOW_HOURS + (position < 0 ? position + WINDOW_HOURS : position);
}

/**
 * Runs of adjacent cells that hold the hours `from` (included) to `until` (excluded), at most 168, in their order.
 * @param work is given the first cell of a run, how many, and the first one's hour
 */
export function forSegments(
  slot: number,
  from: number,
  until: number,
  work: (cell: number, count: number, hour: number) => void,
): void {
  if (until <= from) return;
  const first = cellOf(slot, from);
  const untilEnd = (slot + 1) * WINDOW_HOURS - first;
  const count = Math.min(until - from, untilEnd);
  work(first, count, from);
  if (until - from > count) work(slot * WINDOW_HOURS, until - from - count, from + count);
}

function readingsCode(samples: number, readings: number): number {
  const fewer = samples - readings;
  if (fewer >= 0 && fewer < NO_READINGS) return fewer;
  return readings === 0 ? NO_READINGS : MARKERS.readings;
}

function put({ column, shift, field }: StoredField, cell: number, code: number): void {
  column[cell] = field.storage === 'u4' ? (column[cell] & (0xf0 >> shift)) | (code << shift) : code;
}

function copyFloat64(column: Float64Array, cell: number, count: number, out: Float64Array, at: number): void {
  for (let index = 0; index < count; index++) out[at + index] = column[cell + index];
}

function copyFloat32(column: Float32Array, cell: number, count: number, out: Float64Array, at: number): void {
  for (let index = 0; index < count; index++) out[at + index] = column[cell + index];
}

function copyUint16(column: Uint16Array, cell: number, count: number, out: Float64Array, at: number): void {
  for (let index = 0; index < count; index++) out[at + index] = column[cell + index];
}

function copyUint8(column: Uint8Array, cell: number, count: number, out: Float64Array, at: number): void {
  for (let index = 0; index < count; index++) out[at + index] = column[cell + index];
}

function copyUint4(
  column: Uint8Array,
  shift: number,
  cell: number,
  count: number,
  out: Float64Array,
  at: number,
): void {
  for (let index = 0; index < count; index++) out[at + index] = (column[cell + index] >> shift) & 15;
}

function copyReadings(
  column: Uint8Array,
  samples: Uint16Array,
  cell: number,
  count: number,
  out: Float64Array,
  at: number,
): void {
  for (let index = 0; index < count; index++) {
    const code = column[cell + index];
    out[at + index] = code === NO_READINGS ? 0 : samples[cell + index] - code;
  }
}

function sumUint8(column: Uint8Array, cell: number, count: number): number {
  let sum = 0;
  for (let index = cell; index < cell + count; index++) sum += column[index];
  return sum;
}

function sumUint4(column: Uint8Array, shift: number, cell: number, count: number): number {
  let sum = 0;
  for (let index = cell; index < cell + count; index++) sum += (column[index] >> shift) & 15;
  return sum;
}

function sumFloat32(column: Float32Array, cell: number, count: number): number {
  let sum = 0;
  for (let index = cell; index < cell + count; index++) sum += column[index];
  return sum;
}
