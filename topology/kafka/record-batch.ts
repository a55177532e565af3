import { ActuaryError } from '../../schema/errors.js';
import type { LogRecord, RecordBlock, RecordCursor } from './log.js';
import { RecycledMemory } from '../../schema/recycled-memory.js';

/**
 * Kafka's record batch, format 2, as it came over the wire (https://kafka.apache.org/documentation/#recordbatch).
 * Its records are read where they lie.
 */

/** Offset (8 bytes) and length (4) stand before what the length counts. */
const PREFIX_BYTES = 12;
/** What the length counts, up to the first record. */
const HEADER_BYTES = 49;
const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** Type of a control record that ends a transaction without its records. */
const ABORT = 0;

/** A batch that cannot be what a broker sends: reading on would make things up. */
function corrupt(what: string): ActuaryError {
  return new ActuaryError('kafka_failed', `corrupt record batch: ${what}`);
}

/** A batch whose records lie uncompressed in `bytes`. */
export class RecordBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly count: number;
  readonly producerId: bigint;
  readonly transactional: boolean;
  /** Its one record is a transaction's end, no data. */
  readonly control: boolean;
  readonly firstTimestampMs: number;
  /** Timestamp of all records, where the broker set it; else NaN. */
  readonly appendTimeMs: number;

  private constructor(
    batch: Buffer,
    /** The records, from `start` on. */
    readonly bytes: Buffer,
    readonly start: number,
  ) {
    const attributes = batch.readInt16BE(21);
    this.firstOffset = int64(batch, 0);
    this.lastOffset = this.firstOffset + batch.readInt32BE(23);
    this.firstTimestampMs = int64(batch, 27);
    this.appendTimeMs = (attributes & LOG_APPEND_TIME) === 0 ? NaN : int64(batch, 35);
    this.producerId = batch.readBigInt64BE(43);
    this.transactional = (attributes & TRANSACTIONAL) !== 0;
    this.control = (attributes & CONTROL) !== 0;
    this.count = batch.readInt32BE(57);
  }

  /** Bytes of the batch that starts at a position; NaN where not even its length is there. */
  static sizeAt(bytes: Buffer, at: number): number {
    if (at + PREFIX_BYTES > bytes.length) return NaN;
    const length = bytes.readInt32BE(at + 8);
    if (length < HEADER_BYTES) throw corrupt(`length ${length}`);
    return PREFIX_BYTES + length;
  }

  /** Format of the batch that starts at a position. */
  static magicOf(bytes: Buffer, at: number): number {
    return bytes.readInt8(at + 16);
  }

  /** Compression of a batch, as Kafka numbers it; 0: none. */
  static codecOf(batch: Buffer): number {
    return batch.readInt16BE(21) & CODEC_MASK;
  }

  /** The part of a batch that its codec applies to. */
  static compressed(batch: Buffer): Buffer {
    return batch.subarray(PREFIX_BYTES + HEADER_BYTES);
  }

  /** @param decompressed the records, where they were compressed */
  static of(batch: Buffer, decompressed?: Buffer): RecordBatch {
    return decompressed === undefined
      ? new RecordBatch(batch, batch, PREFIX_BYTES + HEADER_BYTES)
      : new RecordBatch(batch, decompressed, 0);
  }

  /** Whether this control batch ends its producer's transaction without its records. */
  isAbort(): boolean {
    const cursor = new BatchCursor('', 0, this, this.firstOffset);
    const key = cursor.next() ? cursor.record().key : null;
    return key !== null && key.length >= 4 && key.readInt16BE(2) === ABORT;
  }
}

/** A batch as a block of the log. */
export class BatchBlock implements RecordBlock {
  private released = false;

  constructor(
    readonly topic: string,
    readonly partition: number,
    private readonly batch: RecordBatch,
    /** Brokers send whole batches, from records before the one that was asked for. */
    private readonly askedOffset: number,
  ) {
    RecycledMemory.hold(batch.bytes);
  }

  get nextOffset(): number {
    return this.batch.lastOffset + 1;
  }

  get bytes(): number {
    return this.batch.bytes.length;
  }

  cursor(fromOffset: number): RecordCursor {
    return new BatchCursor(this.topic, this.partition, this.batch, Math.max(fromOffset, this.askedOffset));
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    RecycledMemory.release(this.batch.bytes);
  }
}

class BatchCursor implements RecordCursor {
  readonly bytes: Buffer;
  valueStart = -1;
  valueEnd = -1;
  offset = -1;
  timestampMs = NaN;
  private keyStart = -1;
  private keyEnd = -1;
  private at: number;
  private left: number;

  constructor(
    private readonly topic: string,
    private readonly partition: number,
    private readonly batch: RecordBatch,
    private readonly fromOffset: number,
  ) {
    this.bytes = batch.bytes;
    this.at = batch.start;
    this.left = batch.count;
  }

  next(): boolean {
    while (this.left > 0) {
      this.left--;
      this.read();
      if (this.offset >= this.fromOffset) return true;
    }
    return false;
  }

  record(): LogRecord {
    const { topic, partition, bytes, offset, timestampMs, keyStart, valueStart } = this;
    return {
      topic,
      partition,
      offset,
      timestampMs,
      key: keyStart < 0 ? null : bytes.subarray(keyStart, this.keyEnd),
      value: valueStart < 0 ? null : bytes.subarray(valueStart, this.valueEnd),
    };
  }

  /** Length, attributes, timestamp delta, offset delta, key, value, headers: all but attributes as zigzag varints. */
  private read(): void {
    const { batch } = this;
    const length = this.varint();
    const end = this.at + length;
    if (!(length > 0 && end <= this.bytes.length)) throw corrupt('a record reaches beyond it');
    this.at++;
    const timestampDelta = this.varint();
    this.timestampMs =
      batch.appendTimeMs === batch.appendTimeMs ? batch.appendTimeMs : batch.firstTimestampMs + timestampDelta;
    this.offset = batch.firstOffset + this.varint();
    const keyLength = this.varint();
    this.keyStart = keyLength < 0 ? -1 : this.at;
    if (keyLength > 0) this.at += keyLength;
    this.keyEnd = this.at;
    const valueLength = this.varint();
    this.valueStart = valueLength < 0 ? -1 : this.at;
    if (valueLength > 0) this.at += valueLength;
    this.valueEnd = this.at;
    if (this.at > end) throw corrupt('a field reaches beyond its record');
    // Headers are nothing the engine looks at.
    this.at = end;
  }

  private varint(): number {
    const { bytes } = this;
    let byte = bytes[this.at++];
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 127;
    // Past 31 bits shifts would wrap: multiply.
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[this.at++];
      value += (byte & 127) * scale;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

/** Offsets and times stay below 2^53; a BigInt each would cost more than the rest of the header. */
function int64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
