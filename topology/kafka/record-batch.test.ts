import { createRequire } from 'node:module';
import fc from 'fast-check';
import stockKafkaJs from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { FetchedPartition } from './fetched-partition.js';
import { batchDecoder, blockKafkaJs } from './kafkajs-blocks.js';
import type { LogRecord, RecordBlock } from './log.js';
import { loadPrivately } from './private-module.js';
import { BatchBlock, RecordBatch } from './record-batch.js';
import { RecordListBlock } from './record-lists.js';
import { propertyRuns } from '../../test/support/property-runs.js';

/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access -- kafkajs's own encoder, which has no types */
const require = createRequire(import.meta.url);
const { RecordBatch: encodeBatch } = require('kafkajs/src/protocol/recordBatch/v0');
const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0');
const compression: Parameters<typeof batchDecoder>[0] = require('kafkajs/src/protocol/message/compression');
const errors: Parameters<typeof batchDecoder>[1] = require('kafkajs/src/errors');
type Unread = Parameters<ReturnType<typeof batchDecoder>>[0];
const KafkaJsDecoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Unread;

interface Drawn {
  readonly offsetDelta: number;
  readonly timestampDelta: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Record<string, string>;
}

async function batchBytes(
  firstOffset: number,
  firstTimestamp: number,
  records: readonly Drawn[],
  options: object = {},
): Promise<Buffer> {
  const encoded = await encodeBatch({
    firstOffset,
    firstTimestamp,
    maxTimestamp: firstTimestamp + 5_000,
    lastOffsetDelta: Math.max(0, ...records.map(({ offsetDelta }) => offsetDelta)),
    records: records.map((record) => encodeRecord(record) as unknown),
    ...options,
  });
  return encoded.buffer as Buffer;
}
/* eslint-enable */

function recordsOf(block: RecordBlock, fromOffset = 0): LogRecord[] {
  const cursor = block.cursor(fromOffset);
  const records: LogRecord[] = [];
  while (cursor.next()) {
    const record = cursor.record();
    expect([record.offset, record.timestampMs]).toEqual([cursor.offset, cursor.timestampMs]);
    expect(record.value).toEqual(
      cursor.valueStart < 0 ? null : cursor.bytes.subarray(cursor.valueStart, cursor.valueEnd),
    );
    records.push(record);
  }
  return records;
}

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)));
const drawnRecords = fc
  .array(
    fc.record({
      step: fc.integer({ min: 1, max: 300 }),
      timestampDelta: fc.oneof(fc.integer({ min: -5, max: 70_000 }), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
      key: bytes,
      value: bytes,
      headers: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.string({ maxLength: 5 }), { maxKeys: 2 }),
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map((records) => {
    let offset = -1;
    return records.map(({ step, ...rest }): Drawn => ({ ...rest, offsetDelta: (offset += step) }));
  });

describe('a record batch', () => {
  it('gives back what kafkajs wrote, from any offset on', async () => {
    await fc.assert(
      fc.asyncProperty(
        drawnRecords,
        fc.nat(2 ** 40),
        fc.nat(2 ** 41),
        fc.nat(2000),
        async (drawn, first, timestamp, skip) => {
          const batch = RecordBatch.of(await batchBytes(first, timestamp, drawn));
          const expected = drawn.map(({ offsetDelta, timestampDelta, key, value }) => ({
            topic: 'raw',
            partition: 3,
            offset: first + offsetDelta,
            timestampMs: timestamp + timestampDelta,
            key,
            value,
          }));
          const block = new BatchBlock('raw', 3, batch, first);
          expect(recordsOf(block)).toEqual(expected);
          expect(recordsOf(block, first + skip)).toEqual(expected.filter(({ offset }) => offset >= first + skip));
          expect(block.nextOffset).toBe(expected[expected.length - 1].offset + 1);
          // Asked for from its middle on, it starts there.
          expect(recordsOf(new BatchBlock('raw', 3, batch, first + skip))).toEqual(
            expected.filter(({ offset }) => offset >= first + skip),
          );
        },
      ),
    );
  });

  it('takes the time of appending where the topic says so', async () => {
    const raw = await batchBytes(10, 1_000, [{ offsetDelta: 0, timestampDelta: 7, key: null, value: null }]);
    raw.writeInt16BE(0x08, 21);
    expect(recordsOf(new BatchBlock('raw', 0, RecordBatch.of(raw), 10))[0].timestampMs).toBe(6_000);
  });

  it('is refused where its bytes are no records, and never read beyond', async () => {
    const value = Buffer.from('value');
    const raw = await batchBytes(0, 0, [{ offsetDelta: 0, timestampDelta: 0, key: null, value }]);
    fc.assert(
      fc.property(fc.integer({ min: 61, max: raw.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = Buffer.from(raw);
        changed[at] = byte;
        try {
          for (const record of recordsOf(new BatchBlock('raw', 0, RecordBatch.of(changed), 0)))
            expect(record.value?.length ?? 0).toBeLessThanOrEqual(raw.length);
        } catch (error) {
          expect(error).toMatchObject({ code: 'kafka_failed' });
        }
      }),
      { numRuns: propertyRuns(500) },
    );
  });
});

describe('records that came as objects', () => {
  it('are read as a block', () => {
    const records = [4, 5, 9].map((offset) => ({
      topic: 'raw',
      partition: 1,
      offset,
      timestampMs: offset * 10,
      key: null,
      value: offset === 5 ? null : Buffer.from(String(offset)),
    }));
    const block = new RecordListBlock(records);
    expect(recordsOf(block)).toEqual(records);
    expect(recordsOf(block, 5)).toEqual(records.slice(1));
    expect([block.topic, block.partition, block.nextOffset, block.bytes]).toEqual(['raw', 1, 10, 2]);
  });
});

describe('a partition’s share of a fetch', () => {
  const PRODUCER = 77;
  const data = async (offset: number, options: object = {}): Promise<RecordBatch> =>
    RecordBatch.of(
      await batchBytes(
        offset,
        0,
        [0, 1].map((offsetDelta) => ({ offsetDelta, timestampDelta: 0, key: null, value: Buffer.from('x') })),
        options,
      ),
    );
  const marker = async (offset: number, type: number): Promise<RecordBatch> => {
    const key = Buffer.alloc(4);
    key.writeInt16BE(type, 2);
    const raw = await batchBytes(offset, 0, [{ offsetDelta: 0, timestampDelta: 0, key, value: null }], {
      producerId: PRODUCER,
    });
    raw.writeInt16BE(0x30, 21);
    return RecordBatch.of(raw);
  };
  const inTransaction = { transactional: true, producerId: PRODUCER };
  const offsets = (fetched: FetchedPartition): number[] =>
    fetched.messages.flatMap((block) => recordsOf(block).map(({ offset }) => offset));

  it('leaves out markers and aborted transactions, of the same producer’s only those', async () => {
    const fetched = new FetchedPartition('raw', '1', {
      partition: 0,
      highWatermark: '20',
      abortedTransactions: [{ producerId: String(PRODUCER), firstOffset: '2' }],
      messages: [
        await data(0),
        await data(2, inTransaction),
        await data(4),
        await marker(6, 0),
        await data(7, inTransaction),
        await marker(9, 1),
      ],
    });
    expect(offsets(fetched)).toEqual([1, 4, 5, 7, 8]);
    expect([fetched.lastOffset(), fetched.isEmpty(), fetched.offsetLag()]).toEqual(['9', false, '10']);
  });

  it('is on past what holds no data', async () => {
    const fetched = new FetchedPartition('raw', '6', {
      partition: 0,
      highWatermark: '9',
      messages: [await marker(6, 1)],
    });
    expect([fetched.isEmpty(), fetched.isEmptyDueToFiltering(), fetched.lastOffset()]).toEqual([true, true, '6']);
    const nothing = new FetchedPartition('raw', '9', { partition: 0, highWatermark: '9', messages: [] });
    expect([nothing.isEmpty(), nothing.isEmptyDueToFiltering(), nothing.lastOffset()]).toEqual([true, false, '8']);
  });
});

describe('the copy of kafkajs', () => {
  it('is another than everybody else’s', () => {
    expect(blockKafkaJs()).toBe(blockKafkaJs());
    expect(blockKafkaJs().Kafka).not.toBe(stockKafkaJs.Kafka);
    const stock = require('kafkajs/src/consumer/batch.js') as unknown;
    expect(stock).not.toBe(FetchedPartition);
  });

  it('is refused of another version, and where a replaced module is not there', () => {
    expect(() => loadPrivately('kafkajs', '2.2.3', {})).toThrow(/kafkajs 2.2.4 is installed/);
    expect(() => loadPrivately('kafkajs', '2.2.4', { 'src/nothing.js': () => null })).toThrow(/nothing/);
  });

  it('takes a fetch response apart into batches, decompressed, without what was cut off', async () => {
    const decode = batchDecoder(compression, errors);
    const record = { offsetDelta: 0, timestampDelta: 1, key: null, value: Buffer.from('hello') };
    const plain = await batchBytes(5, 100, [record]);
    const zipped = await batchBytes(6, 100, [record], { compression: 1 });
    const response = (...parts: Buffer[]): Unread => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(parts.reduce((sum, { length }) => sum + length, 0));
      return new KafkaJsDecoder(Buffer.concat([size, ...parts]));
    };
    const batches = await decode(response(plain, zipped, plain.subarray(0, 30)));
    expect(batches.flatMap((batch) => recordsOf(new BatchBlock('raw', 0, batch, 0)))).toEqual(
      [5, 6].map((offset) => ({
        topic: 'raw',
        partition: 0,
        offset,
        timestampMs: 101,
        key: null,
        value: record.value,
      })),
    );
    const [snappy, old] = [Buffer.from(plain), Buffer.from(plain)];
    snappy.writeInt16BE(2, 21);
    old.writeInt8(1, 16);
    await expect(decode(response(snappy))).rejects.toMatchObject({ name: 'KafkaJSNotImplemented' });
    await expect(decode(response(old))).rejects.toMatchObject({ name: 'KafkaJSNotImplemented' });
    expect(await decode(response())).toEqual([]);
  });
});
