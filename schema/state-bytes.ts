/**
 * Bytes of state, little endian, written and read in order. Numbers that are kept together go in one piece: a copy of
 * memory, no call a number, and every bit of them comes back.
 */
export class ByteWriter {
  private buffer = Buffer.alloc(1024);
  private at = 0;

  get length(): number {
    return this.at;
  }

  whole8(value: number): void {
    this.reserve(1);
    this.buffer[this.at++] = value;
  }

  /** From 0 to 2^32 − 1. */
  whole32(value: number): void {
    this.reserve(4);
    this.at = this.buffer.writeUInt32LE(value, this.at);
  }

  /** Writes over a whole number that was written at a place. */
  setWhole32(at: number, value: number): void {
    this.buffer.writeUInt32LE(value, at);
  }

  float64(value: number): void {
    this.reserve(8);
    this.at = this.buffer.writeDoubleLE(value, this.at);
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.whole32(bytes);
    this.reserve(bytes);
    this.at += this.buffer.write(value, this.at);
  }

  /** A text or none. */
  optionalText(value: string | undefined): void {
    this.whole8(value === undefined ? 0 : 1);
    if (value !== undefined) this.text(value);
  }

  /** Memory of a typed array as it is; its length is the reader's to know. */
  bytes(source: Uint8Array): void {
    this.reserve(source.length);
    this.buffer.set(source, this.at);
    this.at += source.length;
  }

  /** Elements `from` (included) to `until` (excluded) of an array of float64s. */
  float64s(source: Float64Array, from: number, until: number): void {
    this.bytes(new Uint8Array(source.buffer, source.byteOffset + 8 * from, 8 * (until - from)));
  }

  /** What was written; valid until the next write. */
  written(): Buffer {
    return this.buffer.subarray(0, this.at);
  }

  /** What was written, to be kept; begins anew. */
  take(): Buffer {
    const taken = Buffer.from(this.written());
    this.at = 0;
    return taken;
  }

  clear(): void {
    this.at = 0;
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const larger = Buffer.alloc(Math.max(2 * this.buffer.length, this.at + bytes));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
  }
}

/** Reads what a {@link ByteWriter} wrote. @throws RangeError where the bytes end too early */
export class ByteReader {
  private at = 0;

  constructor(private readonly buffer: Buffer) {}

  get isAtEnd(): boolean {
    return this.at === this.buffer.length;
  }

  whole8(): number {
    const value = this.buffer.readUInt8(this.at);
    this.at += 1;
    return value;
  }

  whole32(): number {
    const value = this.buffer.readUInt32LE(this.at);
    this.at += 4;
    return value;
  }

  float64(): number {
    const value = this.buffer.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  text(): string {
    return this.bytes(this.whole32()).toString('utf8');
  }

  optionalText(): string | undefined {
    return this.whole8() === 0 ? undefined : this.text();
  }

  /** The next bytes; shares memory with what is read. */
  bytes(count: number): Buffer {
    if (this.at + count > this.buffer.length) throw new RangeError('the bytes end too early');
    const bytes = this.buffer.subarray(this.at, this.at + count);
    this.at += count;
    return bytes;
  }

  /** A reader of the next bytes alone. */
  part(count: number): ByteReader {
    return new ByteReader(this.bytes(count));
  }

  /** Fills elements from `at` on with `count` float64s. */
  float64s(into: Float64Array, at: number, count: number): void {
    new Uint8Array(into.buffer, into.byteOffset + 8 * at, 8 * count).set(this.bytes(8 * count));
  }
}
