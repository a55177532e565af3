import { DecodeError } from './decode-error.js';
import { instantiate } from './wasm/module.js';

/**
 * A column of numbers in the smallest form that gives every one of them back, to the bit. Readings are whole or have a
 * few decimals, so integers and one divisor nearly always do, and take one or two bytes in place of eight.
 *
 * A number with decimals is the double next to the quotient of two whole numbers, and that is what division gives:
 * 573 / 10 is what reading "57.3" gives. So a reader has to divide; to multiply by 0.1 would give others.
 */
export interface PackedColumn {
  /** 0 for float64; else the bytes are signed integers of 8, 16 or 32 bits, to be divided by it. */
  readonly divisor: number;
  readonly values: Buffer;
}

/** Tried in this order, so that a column has one form whatever came before it. */
const DIVISORS = [1, 10, 100, 1_000, 1_000_000];

const MODULE = 'schema/wasm/column-pack.wasm';
/** What its vectors read and write beyond the last number. */
const SLACK_BYTES = 128;
/** Numbers that there is room for at first. */
const INITIAL_COUNT = 4096;

interface Exports {
  multiply(numbers: number, count: number, divisor: number, integers: number): number;
  narrow(integers: number, count: number, bytes: number): void;
  divide(integers: number, count: number, bytes: number, divisor: number, numbers: number): void;
}

/**
 * Packs and unpacks columns, by WebAssembly (wasm/column-pack.ts); memory is reused. One is enough for a process: what
 * comes out is copied, and each has gigabytes of addresses set aside for it, as all memory of WebAssembly.
 */
export class ColumnPacker {
  private capacity = 0;
  private exports!: Exports;
  /** All of its memory: numbers first, from {@link integersAt} on integers, or the bytes of a column. */
  private numbers!: Float64Array;
  /** As many of them as the last column had: the columns of a batch have as many. */
  private first!: Float64Array;
  private bytes!: Buffer;
  private integersAt = 0;

  /** @param room for the bytes of the column, 8 a number: those of the answer are a view of it */
  pack(values: Float64Array, room: Buffer): PackedColumn {
    const count = values.length;
    if (count >= this.capacity) this.open(count);
    this.numbers.set(values);
    for (const divisor of DIVISORS) {
      const size = this.exports.multiply(0, count, divisor, this.integersAt);
      if (size === 0) continue;
      if (size < 4) this.exports.narrow(this.integersAt, count, size);
      return { divisor, values: this.copy(this.integersAt, size * count, room) };
    }
    return { divisor: 0, values: this.copy(0, 8 * count, room) };
  }

  /**
   * Fills `numbers` with what a column holds, NaN where it holds none.
   * @param name of the column, for the error
   * @throws DecodeError malformed
   */
  unpack({ divisor, values }: PackedColumn, numbers: Float64Array, name: string): Float64Array {
    const count = numbers.length;
    if (divisor === 0 && values.length === 8 * count) {
      new Uint8Array(numbers.buffer, numbers.byteOffset, values.length).set(values);
      return numbers;
    }
    const size = count === 0 ? 1 : values.length / count;
    if (divisor <= 0 || values.length !== size * count || (size !== 1 && size !== 2 && size !== 4))
      throw new DecodeError('malformed', `${name} has ${values.length} bytes and the divisor ${divisor} for ${count}`);
    if (count >= this.capacity) this.open(count);
    this.bytes.set(values, this.integersAt);
    this.exports.divide(this.integersAt, count, size, divisor, 0);
    if (this.first.length !== count) this.first = this.numbers.subarray(0, count);
    numbers.set(this.first);
    return numbers;
  }

  private copy(from: number, length: number, room: Buffer): Buffer {
    this.bytes.copy(room, 0, from, from + length);
    return room.subarray(0, length);
  }

  /** Makes room for more numbers than so many. */
  private open(count: number): void {
    const capacity = Math.max(INITIAL_COUNT, 2 * count);
    this.capacity = capacity;
    this.integersAt = 8 * capacity + SLACK_BYTES;
    const { exports, memory } = instantiate<Exports>(MODULE, this.integersAt + 4 * capacity + SLACK_BYTES);
    this.exports = exports;
    this.numbers = new Float64Array(memory);
    this.first = this.numbers;
    this.bytes = Buffer.from(memory);
  }
}
