import type { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { P, PANE_FIELDS, type PaneSet } from './pane-layout.js';
import {
  columnsOf,
  COPIES,
  copyReadings,
  layOut,
  NO_READINGS,
  put,
  readingsCode,
  SUMS,
  WIDTHS,
  type Column,
  type StoredField,
} from './ring-columns.js';

/** Hours of a window: the open one and the 167 closed before it. */
export const WINDOW_HOURS = 168;

/** Hours whose memory is taken at once: a fleet that is a day old takes a seventh of what it will take. */
const BLOCK_HOURS = 24;

/** A number in the side table, as V8 lays out an entry of a map, about. */
const LARGE_BYTES = 40;

const TOUCHED = 1;
const LARGE = 2;

/** So many hours of all GPUs; of each GPU they lie together, field by field. */
interface Block {
  readonly memory: Uint8Array;
  /** The same memory, by field. */
  readonly columns: readonly Column[];
}

/** Hours that lie side by side in memory, or of which there is none, for no pane of them was ever written. */
export interface Run {
  readonly block: Block | undefined;
  /** Position of the first in the ring, and in its block; how many. */
  readonly position: number;
  readonly within: number;
  readonly count: number;
  /** The first hour, and how many hours were asked for before it. */
  readonly hour: number;
  readonly at: number;
}

/**
 * Closed panes of a fixed number of GPUs: a position an hour of the window, hour h at position h mod 168. Positions lie
 * in blocks of a day, which are made when an hour of them is first written. Within a block all of a GPU lies together,
 * field by field, so that folding its window is a few runs through memory.
 *
 * - u4: two fields share a byte.
 * - readings: how many fewer they are than the event times of the hour, up to 253; 254 for none at all.
 *
 * Whole numbers too large for their column lie in a side table, so they are exact whatever their size, and the common
 * small ones cost a byte or less.
 */
export class Ring {
  private readonly fields: readonly StoredField[];
  private readonly samples: StoredField;
  /** Bytes of a GPU in a block. */
  private readonly stride: number;
  private readonly blocks: (Block | undefined)[];
  /** A GPU's share of a block without panes. */
  private readonly nothing: Block;
  /**
   * By GPU and field: whether anything was ever stored but what is there without readings ({@link TOUCHED}; most counts
   * never are), and whether anything too large for its column was ({@link LARGE}), so that the side table is asked of
   * those alone.
   */
  private readonly touched: Uint8Array;
  private readonly large = new Map<number, number>();

  constructor(
    private readonly slots: number,
    set: PaneSet,
    readonly hours: number = WINDOW_HOURS,
  ) {
    const fields = PANE_FIELDS.filter((field) => set === 'v2' || field.set === 'v1');
    const { stored, stride } = layOut(fields, BLOCK_HOURS);
    this.fields = stored;
    this.samples = stored[P.samples];
    this.stride = stride;
    this.blocks = new Array<Block | undefined>(Math.ceil(hours / BLOCK_HOURS)).fill(undefined);
    this.touched = new Uint8Array(slots * fields.length);
    this.nothing = this.makeBlock(1);
    for (const { field, index, start } of stored)
      this.nothing.columns[index].fill(field.empty, start, start + BLOCK_HOURS);
  }

  /** Memory taken so far. */
  get bytes(): number {
    const aside = this.touched.length + this.large.size * LARGE_BYTES;
    return this.blocks.reduce((sum, block) => sum + (block?.memory.length ?? 0), aside);
  }

  /** Stores a pane: all fields of a float64 vector. */
  write(slot: number, hour: number, vector: Float64Array): void {
    const position = this.positionOf(hour);
    const { columns } = this.blockFor(position);
    const within = position % BLOCK_HOURS;
    const first = slot * this.fields.length;
    for (let index = 0; index < this.fields.length; index++) {
      const stored = this.fields[index];
      const value = vector[index];
      const cell = stored.start + slot * stored.stride + within;
      if (stored.marker === 0) {
        columns[index][cell] = value;
        if (value !== stored.field.empty) this.touched[first + index] = TOUCHED;
        continue;
      }
      const code = stored.field.storage === 'readings' ? readingsCode(vector[P.samples], value) : value;
      if (code !== 0) this.touched[first + index] |= TOUCHED;
      if (code >= stored.marker) {
        this.touched[first + index] |= LARGE;
        this.large.set(this.keyOf(slot, position, index), value);
      } else if (this.mayBeLarge(index, slot)) this.large.delete(this.keyOf(slot, position, index));
      put(columns[index], cell, stored, code < stored.marker ? code : stored.marker);
    }
  }

  /** Empties the positions of hours `from` (included) to `until` (excluded). */
  clear(slot: number, from: number, until: number): void {
    for (const { block, position, within, count } of this.runs(Math.max(from, until - this.hours), until)) {
      // What was never written is empty.
      if (block === undefined) continue;
      for (const { index, start, stride, field } of this.fields) {
        const cell = start + slot * stride + within;
        block.columns[index].fill(field.empty, cell, cell + count);
        if (!this.mayBeLarge(index, slot)) continue;
        for (let each = position; each < position + count; each++) this.large.delete(this.keyOf(slot, each, index));
      }
    }
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
    const block = this.blocks[blockOf(position)];
    if (block === undefined) return stored.field.empty;
    const { start, stride, shift, marker } = stored;
    const content = block.columns[field][start + slot * stride + (position % BLOCK_HOURS)];
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

  /** Copies a field of panes into float64, so that what follows reads one kind of array. */
  read(field: number, slot: number, runs: readonly Run[], out: Float64Array): void {
    const stored = this.fields[field];
    const { storage } = stored.field;
    const cell = stored.start + slot * stored.stride;
    if (storage === 'readings') {
      const ofSamples = this.samples.start + slot * this.samples.stride;
      for (const { block, within, count, at } of runs)
        if (block === undefined) out.fill(0, at, at + count);
        else {
          const { columns } = block;
          copyReadings(columns[field], cell + within, columns[P.samples], ofSamples + within, count, out, at);
        }
    } else {
      const copy = COPIES[storage];
      for (const { block, within, count, at } of runs)
        if (block === undefined) out.fill(stored.field.empty, at, at + count);
        else copy(block.columns[field], stored.shift, cell + within, count, out, at);
    }
    // Readings are told from samples, which may be in the side table themselves.
    const isLarge = this.mayBeLarge(field, slot) || (storage === 'readings' && this.mayBeLarge(P.samples, slot));
    if (!isLarge) return;
    for (const { position, count, at } of runs)
      for (let index = 0; index < count; index++) out[at + index] = this.get(field, slot, position + index);
  }

  /** Sum of a field over panes. @param scratch overwritten */
  sum(field: number, slot: number, runs: readonly Run[], scratch: Float64Array): number {
    const { start, stride, shift, field: kind } = this.fields[field];
    if (kind.storage !== 'readings' && this.isEmpty(field, slot)) return 0;
    const add = SUMS[kind.storage];
    let sum = 0;
    if (add !== undefined && !this.mayBeLarge(field, slot)) {
      const cell = start + slot * stride;
      for (const { block, within, count } of runs)
        if (block !== undefined) sum = add(block.columns[field], shift, cell + within, count, sum);
      return sum;
    }
    this.read(field, slot, runs, scratch);
    const last = runs.at(-1);
    for (let index = 0; index < (last === undefined ? 0 : last.at + last.count); index++) sum += scratch[index];
    return sum;
  }

  /** Position of an hour in every GPU's share. */
  positionOf(hour: number): number {
    // Hours before 1970 are negative.
    const position = hour % this.hours;
    return position < 0 ? position + this.hours : position;
  }

  /** The hours `from` (included) to `until` (excluded), no more than a window, in their order. */
  runs(from: number, until: number): Run[] {
    const runs: Run[] = [];
    for (let hour = from; hour < until;) {
      const position = this.positionOf(hour);
      const within = position % BLOCK_HOURS;
      const count = Math.min(until - hour, BLOCK_HOURS - within, this.hours - position);
      runs.push({ block: this.blocks[blockOf(position)], position, within, count, hour, at: hour - from });
      hour += count;
    }
    return runs;
  }

  /** Writes a GPU's panes: of the fields that were ever touched, their memory. */
  encode(slot: number, writer: ByteWriter): void {
    for (let index = 0; index < this.fields.length; index++) writer.whole8(this.isEmpty(index, slot) ? 0 : TOUCHED);
    const all = this.runs(0, this.hours);
    for (let index = 0; index < this.fields.length; index++)
      if (!this.isEmpty(index, slot)) for (const run of all) writer.bytes(this.cells(index, slot, run, run.block));
    const large = all.flatMap((run) => this.largeOf(slot, run));
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
    const all = this.runs(0, this.hours);
    for (let index = 0; index < this.fields.length; index++) {
      if (touched[index] === 0) continue;
      for (const run of all) {
        const block = this.blocks[blockOf(run.position)];
        const cells = this.cells(index, slot, run, block);
        const bytes = reader.bytes(cells.length);
        if (block !== undefined) cells.set(bytes);
        // What is empty needs no memory; these are the cells of a block without panes.
        else if (Buffer.compare(bytes, cells) !== 0)
          this.cells(index, slot, run, this.blockFor(run.position)).set(bytes);
      }
    }
    const first = this.keyOf(slot, 0, 0);
    for (let count = reader.whole32(); count > 0; count--) {
      const key = reader.whole32();
      touched[key % PANE_FIELDS.length] |= LARGE;
      this.large.set(first + key, reader.float64());
    }
  }

  /** Writes the panes of the hours `from` (included) to `until` (excluded), the same bytes whatever lies beside them. */
  encodeHours(slot: number, from: number, until: number, writer: ByteWriter): void {
    for (const run of this.runs(from, until)) {
      for (let index = 0; index < this.fields.length; index++) writer.bytes(this.cells(index, slot, run, run.block));
      for (const [key, value] of this.largeOf(slot, run)) {
        writer.whole32(key);
        writer.float64(value);
      }
    }
  }

  private mayBeLarge(field: number, slot: number): boolean {
    return (this.touched[slot * this.fields.length + field] & LARGE) !== 0;
  }

  /** What is in the side table of some panes, by field, with its key from the GPU's first one. */
  private largeOf(slot: number, { position, count }: Run): [key: number, value: number][] {
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

  /**
   * Memory of a field in some panes; half bytes come with the field that they share them with.
   * @param block where they lie; of none, what they would be, which is not to be written to
   */
  private cells(index: number, slot: number, { within, count }: Run, block: Block | undefined): Uint8Array {
    const { field, start, stride } = this.fields[index];
    const width = WIDTHS[field.storage];
    const from = width * (start + (block === undefined ? 0 : slot * stride) + within);
    return (block ?? this.nothing).memory.subarray(from, from + width * count);
  }

  private keyOf(slot: number, position: number, field: number): number {
    return (slot * this.hours + position) * PANE_FIELDS.length + field;
  }

  /** The block of a position, made of what is there without panes where there is none. */
  private blockFor(position: number): Block {
    const number = blockOf(position);
    const found = this.blocks[number];
    if (found !== undefined) return found;
    const block = this.makeBlock(this.slots);
    for (let slot = 0; slot < this.slots; slot++) block.memory.set(this.nothing.memory, slot * this.stride);
    this.blocks[number] = block;
    return block;
  }

  private makeBlock(slots: number): Block {
    const memory = new ArrayBuffer(slots * this.stride);
    return { memory: new Uint8Array(memory), columns: columnsOf(memory, this.fields) };
  }
}

const blockOf = (position: number): number => Math.floor(position / BLOCK_HOURS);
