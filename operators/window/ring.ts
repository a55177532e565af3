import type { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { P, PANE_FIELDS, type PaneField, type PaneSet } from './pane-layout.js';

/** Hours of a window: the open one and the 167 closed before it. */
export const WINDOW_HOURS = 168;

type Column = Uint8Array | Uint16Array | Float32Array | Float64Array;

/** Bytes of an element; half bytes are shared by two fields. */
const WIDTHS = { u4: 1, u8: 1, u16: 2, readings: 1, f32: 4, f64: 8 } as const;

/**
 * Where a column of whole numbers says "too large for me, see the side table": its largest value. 0: never, the column
 * holds floating point.
 */
const MARKERS = { u4: 15, u8: 0xff, u16: 0xffff, readings: 0xff, f32: 0, f64: 0 } as const;
/** A metric's readings in an hour that has readings of other metrics only. */
const NO_READINGS = 0xfe;
const TOUCHED = 1;
const LARGE = 2;

/**
 * Closed panes of a fixed number of GPUs: a position an hour of the window, hour h at position h mod 168. All of a GPU
 * lies together, field by field, so that folding its window is a run through memory.
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
  private readonly samples: StoredField;
  private readonly memory: Uint8Array;
  /**
   * By GPU and field: whether anything was ever stored but what is there without readings ({@link TOUCHED}; most counts
   * never are), and whether anything too large for its column was ({@link LARGE}), so that the side table is asked of
   * those alone.
   */
  private readonly touched: Uint8Array;
  private readonly large = new Map<number, number>();

  constructor(
    slots: number,
    set: PaneSet,
    readonly hours: number = WINDOW_HOURS,
  ) {
    const fields = PANE_FIELDS.filter((field) => set === 'v2' || field.set === 'v1');
    const { offsets, stride } = layOut(fields, hours);
    const buffer = new ArrayBuffer(slots * stride);
    this.memory = new Uint8Array(buffer);
    this.touched = new Uint8Array(slots * fields.length);
    this.bytes = buffer.byteLength + this.touched.byteLength;
    const views = {
      1: this.memory,
      2: new Uint16Array(buffer),
      4: new Float32Array(buffer),
      8: new Float64Array(buffer),
    };
    this.fields = fields.map((field, index) => {
      const width = WIDTHS[field.storage];
      return {
        field,
        column: views[width],
        start: Math.floor(offsets[index]) / width,
        stride: stride / width,
        shift: offsets[index] % 1 === 0 ? 0 : 4,
        marker: MARKERS[field.storage],
      };
    });
    this.samples = this.fields[P.samples];
  }

  /** Stores a pane: all fields of a float64 vector. */
  write(slot: number, hour: number, vector: Float64Array): void {
    const position = this.positionOf(hour);
    const first = slot * this.fields.length;
    for (let index = 0; index < this.fields.length; index++) {
      const stored = this.fields[index];
      const value = vector[index];
      const cell = stored.start + slot * stored.stride + position;
      if (stored.marker === 0) {
        stored.column[cell] = value;
        if (value !== stored.field.empty) this.touched[first + index] = TOUCHED;
        continue;
      }
      const code = stored.field.storage === 'readings' ? readingsCode(vector[P.samples], value) : value;
      if (code !== 0) this.touched[first + index] |= TOUCHED;
      if (code >= stored.marker) {
        this.touched[first + index] |= LARGE;
        this.large.set(this.keyOf(slot, position, index), value);
      } else if (this.mayBeLarge(index, slot)) this.large.delete(this.keyOf(slot, position, index));
      put(stored, cell, code < stored.marker ? code : stored.marker);
    }
  }

  /** Empties the positions of hours `from` (included) to `until` (excluded). */
  clear(slot: number, from: number, until: number): void {
    this.segments(Math.max(from, until - this.hours), until, (position, count) => {
      for (const [index, { column, start, stride, field }] of this.fields.entries()) {
        const cell = start + slot * stride + position;
        column.fill(field.empty, cell, cell + count);
        if (!this.mayBeLarge(index, slot)) continue;
        for (let each = position; each < position + count; each++) this.large.delete(this.keyOf(slot, each, index));
      }
    });
  }

  /** Empties all of a GPU's positions. */
  clearAll(slot: number): void {
    this.clear(slot, 0, this.hours);
    this.touched.fill(0, slot * this.fields.length, (slot + 1) * this.fields.length);
  }

  /** Value of a field in a pane. */
  get(field: number, slot: number, position: number): number {
    const stored = this.fields[field];
    if (stored === undefined) return 0;
    const { column, start, stride, shift, marker } = stored;
    const content = column[start + slot * stride + position];
    if (marker === 0) return content;
    const code = (content >> shift) & marker;
    if (code === marker) return this.large.get(this.keyOf(slot, position, field))!;
    if (stored.field.storage !== 'readings') return code;
    return code === NO_READINGS ? 0 : this.get(P.samples, slot, position) - code;
  }

  /** Whether a field is what a pane without readings has in all panes of a GPU; of readings: the samples in all. */
  isEmpty(field: number, slot: number): boolean {
    return this.touched[slot * this.fields.length + field] === 0;
  }

  /** Copies a field of adjacent panes into float64, so that what follows reads one kind of array. */
  read(field: number, slot: number, position: number, count: number, out: Float64Array, at: number): void {
    const stored = this.fields[field];
    const { column, shift } = stored;
    const cell = stored.start + slot * stored.stride + position;
    // One loop a kind of array: a loop that meets several is several times slower.
    switch (stored.field.storage) {
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
      case 'readings': {
        const { samples } = this;
        const from = samples.start + slot * samples.stride + position;
        copyReadings(column as Uint8Array, cell, samples.column as Uint16Array, from, count, out, at);
        break;
      }
    }
    // Readings are told from samples, which may be in the side table themselves.
    const isLarge =
      this.mayBeLarge(field, slot) || (stored.field.storage === 'readings' && this.mayBeLarge(P.samples, slot));
    if (!isLarge) return;
    for (let index = 0; index < count; index++) out[at + index] = this.get(field, slot, position + index);
  }

  /** Sum of a field over adjacent panes. @param scratch overwritten */
  sum(field: number, slot: number, position: number, count: number, scratch: Float64Array): number {
    const {
      column,
      start,
      stride,
      shift,
      field: { storage },
    } = this.fields[field];
    const cell = start + slot * stride + position;
    if (storage !== 'readings' && this.isEmpty(field, slot)) return 0;
    if (!this.mayBeLarge(field, slot))
      switch (storage) {
        case 'u8':
          return sumUint8(column as Uint8Array, cell, count);
        case 'u4':
          return sumUint4(column as Uint8Array, shift, cell, count);
        case 'f32':
          return sumFloat32(column as Float32Array, cell, count);
      }
    this.read(field, slot, position, count, scratch, 0);
    let sum = 0;
    for (let index = 0; index < count; index++) sum += scratch[index];
    return sum;
  }

  private mayBeLarge(field: number, slot: number): boolean {
    return (this.touched[slot * this.fields.length + field] & LARGE) !== 0;
  }

  /** Position of an hour in every GPU's share. */
  positionOf(hour: number): number {
    // Hours before 1970 are negative.
    const position = hour % this.hours;
    return position < 0 ? position + this.hours : position;
  }

  /**
   * Runs of adjacent positions that hold the hours `from` (included) to `until` (excluded), no more than a window, in
   * their order.
   * @param work is given the first position of a run, how many, and the first one's hour
   */
  segments(from: number, until: number, work: (position: number, count: number, hour: number) => void): void {
    if (until <= from) return;
    const first = this.positionOf(from);
    const count = Math.min(until - from, this.hours - first);
    work(first, count, from);
    if (until - from > count) work(0, until - from - count, from + count);
  }

  /** Writes a GPU's panes: of the fields that were ever touched, their memory. */
  encode(slot: number, writer: ByteWriter): void {
    for (let index = 0; index < this.fields.length; index++) writer.whole8(this.isEmpty(index, slot) ? 0 : TOUCHED);
    for (let index = 0; index < this.fields.length; index++)
      if (!this.isEmpty(index, slot)) writer.bytes(this.cells(index, slot, 0, this.hours));
    const large = this.largeOf(slot, 0, this.hours);
    writer.whole32(large.length);
    for (const [key, value] of large) {
      writer.whole32(key);
      writer.float64(value);
    }
  }

  /** Takes what {@link encode} wrote into a GPU's emptied panes. */
  decode(slot: number, reader: ByteReader): void {
    const touched = this.touched.subarray(slot * this.fields.length, (slot + 1) * this.fields.length);
    touched.set(reader.bytes(this.fields.length));
    for (let index = 0; index < this.fields.length; index++)
      if (touched[index] !== 0) this.cells(index, slot, 0, this.hours).set(reader.bytes(this.cellBytes(index)));
    const first = this.keyOf(slot, 0, 0);
    for (let count = reader.whole32(); count > 0; count--) {
      const key = reader.whole32();
      touched[key % PANE_FIELDS.length] |= LARGE;
      this.large.set(first + key, reader.float64());
    }
  }

  /** Writes the panes of the hours `from` (included) to `until` (excluded), the same bytes whatever lies beside them. */
  encodeHours(slot: number, from: number, until: number, writer: ByteWriter): void {
    this.segments(from, until, (position, count) => {
      for (let index = 0; index < this.fields.length; index++) writer.bytes(this.cells(index, slot, position, count));
      for (const [key, value] of this.largeOf(slot, position, count)) {
        writer.whole32(key);
        writer.float64(value);
      }
    });
  }

  /** What is in the side table of adjacent panes, by field, with its key from the GPU's first one. */
  private largeOf(slot: number, position: number, count: number): [key: number, value: number][] {
    const found: [number, number][] = [];
    const first = this.keyOf(slot, 0, 0);
    for (let index = 0; index < this.fields.length; index++) {
      if (!this.mayBeLarge(index, slot)) continue;
      for (let each = position; each < position + count; each++) {
        const key = this.keyOf(slot, each, index);
        const value = this.large.get(key);
        if (value !== undefined) found.push([key - first, value]);
      }
    }
    return found;
  }

  private cellBytes(index: number): number {
    return WIDTHS[this.fields[index].field.storage] * this.hours;
  }

  /** Memory of a field in adjacent panes; half bytes come with the field that they share them with. */
  private cells(index: number, slot: number, position: number, count: number): Uint8Array {
    const { field, start, stride } = this.fields[index];
    const width = WIDTHS[field.storage];
    const from = width * (start + slot * stride + position);
    return this.memory.subarray(from, from + width * count);
  }

  private keyOf(slot: number, position: number, field: number): number {
    return (slot * this.hours + position) * PANE_FIELDS.length + field;
  }
}

interface StoredField {
  readonly field: PaneField;
  /** All of the ring's memory, as elements of this field's kind. */
  readonly column: Column;
  /** Element of the first GPU's position 0, and elements from one GPU to the next. */
  readonly start: number;
  readonly stride: number;
  /** Bits that a field of half a byte lies above the lowest. */
  readonly shift: number;
  readonly marker: number;
}

/** Byte offsets of the fields within a GPU's share; the second of two half bytes has a half. Wide elements go first. */
function layOut(fields: readonly PaneField[], hours: number): { offsets: number[]; stride: number } {
  const offsets: number[] = [];
  let next = 0;
  for (const width of [8, 4, 2, 1])
    for (const [index, { storage }] of fields.entries())
      if (WIDTHS[storage] === width && storage !== 'u4') {
        offsets[index] = next;
        next += width * hours;
      }
  let half = false;
  for (const [index, { storage }] of fields.entries()) {
    if (storage !== 'u4') continue;
    offsets[index] = half ? next - hours + 0.5 : next;
    if (!half) next += hours;
    half = !half;
  }
  return { offsets, stride: Math.ceil(next / 8) * 8 };
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
  cell: number,
  samples: Uint16Array,
  from: number,
  count: number,
  out: Float64Array,
  at: number,
): void {
  for (let index = 0; index < count; index++) {
    const code = column[cell + index];
    out[at + index] = code === NO_READINGS ? 0 : samples[from + index] - code;
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
