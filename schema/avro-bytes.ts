import type { Interned } from './byte-table.js';
import { DecodeError } from './decode-error.js';
import { COPY_SLACK, type KnownTexts } from './known-texts.js';
import { RecycledMemory } from './recycled-memory.js';

/**
 * The primitives of Avro's binary encoding, for the two records that are read and written for every sample of a
 * fleet: going through objects there costs more than all the rest. Everything else goes through avsc.
 */

/** Reads a message without copying; every read checks that the bytes are there. */
export class AvroReader {
  constructor(
    private readonly bytes: Buffer,
    private at: number,
  ) {}

  get offset(): number {
    return this.at;
  }

  /** A zigzag varint of up to 53 bits. @throws DecodeError malformed */
  long(): number {
    let rest = 0;
    let scale = 1;
    for (;;) {
      if (this.at >= this.bytes.length) throw new DecodeError('malformed', 'ends within a number');
      const byte = this.bytes[this.at++];
      rest += (byte & 127) * scale;
      if (byte < 128) break;
      scale *= 128;
      if (scale > Number.MAX_SAFE_INTEGER) throw new DecodeError('malformed', 'a number of more than 53 bits');
    }
    return rest % 2 === 1 ? -(rest + 1) / 2 : rest / 2;
  }

  /** What a part of the message says that comes again and again. @param skip reads over it */
  known<T>(known: Interned<T>, skip: () => void): T {
    const from = this.at;
    skip();
    return known.of(this.bytes, from, this.at);
  }

  /** @throws DecodeError malformed */
  boolean(): boolean {
    const byte = this.bytes[this.at++];
    if (byte !== 0 && byte !== 1) throw new DecodeError('malformed', `${byte ?? 'nothing'} for a boolean`);
    return byte === 1;
  }

  /** Reads over a byte string or a text. @throws DecodeError malformed */
  skip(): void {
    this.past();
  }

  /** A byte string, as a view of the message. @throws DecodeError malformed */
  view(): Buffer {
    const from = this.past();
    return this.bytes.subarray(from, this.at);
  }

  /** @param known where texts that come again are looked up @throws DecodeError malformed */
  text(known?: Interned<string>): string {
    const from = this.past();
    return known === undefined ? this.bytes.toString('utf8', from, this.at) : known.of(this.bytes, from, this.at);
  }

  /** An array: `item` is called for each. @throws DecodeError malformed */
  array<T>(item: () => T): T[] {
    const items: T[] = [];
    for (let count = this.long(); count !== 0; count = this.long()) {
      // A negative count is followed by the block's size in bytes.
      if (count < 0) {
        count = -count;
        this.long();
      }
      if (count > this.bytes.length) throw new DecodeError('malformed', `an array of ${count} items`);
      for (let index = 0; index < count; index++) items.push(item());
    }
    return items;
  }

  /** A union of null and something else, in this order. @throws DecodeError malformed */
  optional<T>(value: () => T): T | null {
    return this.branch() === 0 ? null : value();
  }

  /** Which of a union of two comes. @throws DecodeError malformed */
  branch(): number {
    const branch = this.long();
    if (branch !== 0 && branch !== 1) throw new DecodeError('malformed', `branch ${branch} of a union of two`);
    return branch;
  }

  /** Steps over a length and that many bytes. @returns where the bytes begin */
  private past(): number {
    const length = this.long();
    const from = this.at;
    if (length < 0 || from + length > this.bytes.length)
      throw new DecodeError('malformed', `${length} bytes announced, ${this.bytes.length - from} there`);
    this.at += length;
    return from;
  }
}

/** Most bytes of a varint. */
const LONG_BYTES = 8;

/** Bytes that are set aside for messages at a time. */
const CHUNK_BYTES = 256 * 1024;

const NONE = Buffer.alloc(0);

/**
 * Writes messages one after the other into memory that is set aside for many of them: what is handed over is a view,
 * and no message is allocated or copied by itself.
 */
export class AvroWriter {
  private bytes: Buffer = NONE;
  private dataView = viewOf(NONE);
  /** All memory that messages lie in. */
  private readonly chunks: Buffer[] = [];
  /** Where the message at hand begins, and where it goes on. */
  private from = 0;
  private at = 0;

  /** @param memory where it takes room; its own, which is not used again, if left out */
  constructor(private readonly memory = new RecycledMemory(0)) {}

  /** Nobody looks at any message any more: their memory may be used again. */
  release(): void {
    for (const chunk of this.chunks) RecycledMemory.release(chunk);
    this.chunks.length = 0;
    this.bytes = NONE;
    this.dataView = viewOf(NONE);
    this.from = 0;
    this.at = 0;
  }

  /**
   * Begins a message; what was written and not taken is forgotten.
   * @param bytes about how many it will have, where that is many: it need not move on in the middle then
   */
  begin(header: Uint8Array, bytes = 0): void {
    this.at = this.from;
    this.reserve(header.length + bytes);
    this.raw(header);
  }

  /** What was written since {@link begin}: the caller's until {@link release}. */
  take(): Buffer {
    const message = this.bytes.subarray(this.from, this.at);
    this.from = this.at;
    return message;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** A whole number of up to 53 bits. */
  long(value: number): void {
    this.reserve(LONG_BYTES);
    let rest = value < 0 ? -2 * value - 1 : 2 * value;
    // What does not fit an integer register takes divisions: two for a time of this century.
    while (rest > 0x7fffffff) {
      this.bytes[this.at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    for (; rest >= 128; rest >>>= 7) this.bytes[this.at++] = (rest & 127) | 128;
    this.bytes[this.at++] = rest;
  }

  boolean(value: boolean): void {
    this.reserve(1);
    this.bytes[this.at++] = value ? 1 : 0;
  }

  /** A byte string. */
  view(bytes: Uint8Array): void {
    this.long(bytes.length);
    this.raw(bytes);
  }

  text(text: string): void {
    // Three bytes are the most that a UTF-16 unit takes; nearly always it is one.
    this.reserve(LONG_BYTES + 3 * text.length);
    if (text.length < 64) {
      // A call to write costs more than a UUID's characters.
      let ascii = 0;
      for (let code; ascii < text.length && (code = text.charCodeAt(ascii)) < 128; ascii++)
        this.bytes[this.at + 1 + ascii] = code;
      if (ascii === text.length) {
        this.bytes[this.at] = 2 * ascii;
        this.at += 1 + ascii;
        return;
      }
      const written = this.bytes.write(text, this.at + 1, 'utf8');
      if (written < 64) {
        this.bytes[this.at] = 2 * written;
        this.at += 1 + written;
        return;
      }
    }
    this.view(Buffer.from(text, 'utf8'));
  }

  /** A text among those that come again and again: what {@link textBytes} makes of it. */
  knownText(texts: KnownTexts, text: string): void {
    const id = texts.idOf(text);
    const length = texts.lengthOf(id);
    this.reserve(length + COPY_SLACK);
    texts.copy(id, this.dataView, this.at);
    this.at += length;
  }

  /**
   * Unions of null and double, one after the other: null for NaN, else the number. All at once, for a number given to a
   * call of its own would be allocated.
   * @param columns of a row that starts at `offset`; null where one is negative
   */
  optionalDoubles(values: Float64Array, offset: number, columns: Int32Array): void {
    this.reserve(9 * columns.length);
    const { bytes, dataView } = this;
    let { at } = this;
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index];
      const value = column < 0 ? NaN : values[offset + column];
      if (value !== value) {
        bytes[at++] = 0;
        continue;
      }
      bytes[at] = 2;
      dataView.setFloat64(at + 1, value, true);
      at += 9;
    }
    this.at = at;
  }

  /** An array in one block. */
  array<T>(items: readonly T[], write: (item: T) => void): void {
    if (items.length > 0) {
      this.long(items.length);
      for (const item of items) write(item);
    }
    this.long(0);
  }

  /** A union of null and something else, in this order. */
  optional<T>(value: T | null, write: (value: T) => void): void {
    this.long(value === null ? 0 : 1);
    if (value !== null) write(value);
  }

  /** Makes room: the message at hand moves on to new memory where this one is full. */
  private reserve(more: number): void {
    if (this.at + more <= this.bytes.length) return;
    const written = this.at - this.from;
    const larger = this.memory.take(Math.max(CHUNK_BYTES, 2 * (written + more)));
    RecycledMemory.hold(larger);
    this.chunks.push(larger);
    this.bytes.copy(larger, 0, this.from, this.at);
    this.bytes = larger;
    this.dataView = viewOf(larger);
    this.from = 0;
    this.at = written;
  }
}

/** A text as it is written. */
export function textBytes(text: string): Buffer {
  const writer = new AvroWriter();
  writer.begin(NONE);
  writer.text(text);
  return Buffer.from(writer.take());
}

const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
