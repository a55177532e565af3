import rdkafka, { type KafkaConsumer } from 'node-rdkafka';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../bench/support/kraft.js';
import { TestClient } from '../test/support/client.js';
import { describeWith } from '../test/support/requirements.js';
import { messageLetter } from './dead-letter.js';
import type { OutputRecord } from './kafka.js';
import { TransactionalSink, TransactionFailed } from './kafka-transactions.js';

await describeWith('kraft', 'the transactional Kafka sink', () => {
  let broker: Broker;
  let client: TestClient;
  let group: KafkaConsumer;
  const sinks: TransactionalSink[] = [];
  const open = async (transactionalId: string): Promise<TransactionalSink> => {
    const sink = new TransactionalSink({
      brokers: [broker.brokers],
      properties: {},
      clientId: 'test',
      transactionalId,
      name: 'test',
      maxMessageBytes: 16 * 1024 * 1024,
      onTransientError: () => undefined,
      stopping: () => false,
    });
    sinks.push(sink);
    await sink.open();
    return sink;
  };
  const record = (topic: string, value: string): OutputRecord => ({
    topic,
    partition: 0,
    key: null,
    value: Buffer.from(value),
  });
  const source = (offset: number) => [{ topic: 'source', partition: 0, offset }];
  const valuesIn = async (topic: string, count: number): Promise<string[]> => {
    const reads = await client.readUntil([topic], (records) => records.length >= count);
    return reads.map(({ value }) => value!.toString());
  };

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    await client.produce('source', [{ value: 'x' }]);
    group = new rdkafka.KafkaConsumer({ 'metadata.broker.list': broker.brokers, 'group.id': 'group' }, {});
    await new Promise<void>((resolve, reject) =>
      group.connect({}, (error: { message: string } | null) => (error ? reject(new Error(error.message)) : resolve())),
    );
  });
  afterAll(async () => {
    for (const sink of sinks) await sink.close();
    if (group?.isConnected()) await new Promise<void>((resolve) => group.disconnect(() => resolve()));
    await broker?.stop();
  });

  it('shows records and offsets of a transaction when it is committed, and none of one that is not', async () => {
    const sink = await open('visible');
    await sink.partitions('visible');
    await sink.write([record('visible', 'a'), record('visible', 'b')]);
    await sink.commit(source(1), group);
    await sink.write([record('visible', 'never')]);
    await sink.reopen();
    await sink.write([record('visible', 'c')]);
    await sink.commit(source(2), group);
    expect(await valuesIn('visible', 3)).toEqual(['a', 'b', 'c']);
    expect((await client.committed('group', 'source')).get(0)).toBe(2);
  });

  it('lets nobody write under its id who was there before, until that one opens anew', async () => {
    const before = await open('fenced');
    await before.partitions('fenced');
    await before.write([record('fenced', 'of one who slept')]);
    const after = await open('fenced');
    await after.write([record('fenced', 'a')]);
    await after.commit(source(3), group);
    await expect(before.commit(source(9), group)).rejects.toThrow(TransactionFailed);
    await expect(before.write([record('fenced', 'still asleep')])).rejects.toThrow(TransactionFailed);
    await before.reopen();
    await before.write([record('fenced', 'b')]);
    await before.commit(source(4), group);
    await expect(after.write([record('fenced', 'too late')])).rejects.toThrow(TransactionFailed);
    expect(await valuesIn('fenced', 2)).toEqual(['a', 'b']);
    expect((await client.committed('group', 'source')).get(0)).toBe(4);
  });

  it('writes the smaller form of a dead letter where the broker refuses the whole, and all else once', async () => {
    const admin = new kafkajs.Kafka({ brokers: [broker.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    const configEntries = [{ name: 'max.message.bytes', value: '200000' }];
    await admin.createTopics({ topics: [{ topic: 'small', numPartitions: 1, configEntries }] });
    await admin.disconnect();
    const sink = await open('small');
    const origin = { topic: 'raw', partition: 0, offset: 5 };
    const letter = (bytes: number) =>
      messageLetter('small', origin, null, Buffer.alloc(bytes, 'x'), 'oversized', 'too large');
    await sink.write([record('small', 'once'), letter(100_000), letter(300_000), letter(20_000_000)]);
    await sink.commit(source(5), group);
    const reads = await client.readUntil(['small'], (records) => records.length >= 4);
    expect(reads.map(({ value, headers }) => [value!.length, headers.original_length])).toEqual([
      [4, undefined],
      [100_000, undefined],
      [65_536, '300000'],
      [65_536, '20000000'],
    ]);
  });
});
