import { afterAll, afterEach, beforeAll, it, vi } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { eventually } from '../../test/support/client.js';
import { describeWith } from '../../test/support/requirements.js';
import { KafkaSink } from '../../sinks/kafka.js';
import { blockKafkaJs } from './kafkajs-blocks.js';
import { KafkaJsLog } from './kafkajs-log.js';

const PARTITIONS = 4;

/** What kafkajs asks a broker through; resolves with null where none answered, whatever the reason. */
interface BrokerPool {
  withBroker: (this: BrokerPool, ask: unknown) => Promise<unknown>;
}

/** Of the copy of kafkajs that sources are read by. */
function brokerPool(): BrokerPool {
  const kafka = new (blockKafkaJs().Kafka)({ brokers: ['nowhere:1'] }) as unknown as Record<symbol, unknown>;
  const createCluster = Object.getOwnPropertySymbols(kafka).find((name) => String(name).includes('createCluster'))!;
  const { brokerPool } = (kafka[createCluster] as (options: object) => { brokerPool: BrokerPool })({});
  return Object.getPrototypeOf(brokerPool) as BrokerPool;
}

await describeWith('kraft', 'a group member over kafkajs that loses its coordinator while it joins again', () => {
  let broker: Broker;
  let sink: KafkaSink;
  const logs: KafkaJsLog[] = [];
  let topic = '';

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m', properties: { 'num.partitions': String(PARTITIONS) } });
    const options = { brokers: [broker.brokers], onTransientError: () => undefined };
    sink = new KafkaSink({ ...options, properties: {}, clientId: 'writer', maxMessageBytes: 1_000_000 });
    await sink.open();
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    for (const log of logs.splice(0)) await log.close();
  });
  afterAll(async () => {
    await sink?.close();
    await broker?.stop();
  });

  const open = async (): Promise<KafkaJsLog> => {
    const log = new KafkaJsLog({
      ...{ brokers: [broker.brokers], group: topic, clientId: 'reader', topics: [topic] },
      ...{ sessionTimeoutMs: 6_000, bufferBytes: 64e6, onTransientError: () => undefined },
    });
    logs.push(log);
    await log.start({ assigned: () => Promise.resolve([]), revoked: () => Promise.resolve() });
    return log;
  };
  /** Writes a record to each partition, and reads until all of these have come. */
  const exchange = async (value: string): Promise<void> => {
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    await sink.write(partitions.map((partition) => ({ topic, partition, key: null, value: Buffer.from(value) })));
    await sink.flush();
    const seen = new Set<number>();
    while (seen.size < PARTITIONS)
      for (const log of logs)
        for (const block of await log.pollBlocks(1e6, 100)) {
          const cursor = block.cursor(0);
          while (cursor.next()) if (String(cursor.record().value) === value) seen.add(block.partition);
          await log.commit([{ topic, partition: block.partition, offset: block.nextOffset }]);
        }
  };

  it.each([
    ['by itself', 'alone', 0],
    ['also where it is told to begin anew in the same moment', 'at once', 1],
    ['also where it is told to begin anew while it joins', 'while joining', 2],
  ])(
    'finds its way back, %s',
    async (_, name, restartsAt) => {
      topic = name.replace(' ', '-');
      await sink.partitions(topic);
      const pool = brokerPool();
      const { withBroker } = pool;
      const mine = new Set<BrokerPool>();
      let isOpening = true;
      /** Since another member came. */
      let asked = -Infinity;
      vi.spyOn(pool, 'withBroker').mockImplementation(function (this: BrokerPool, ask) {
        if (isOpening) mine.add(this);
        if (!mine.has(this)) return withBroker.call(this, ask);
        asked++;
        if (asked === restartsAt) void logs[0].restart();
        return asked === 1 ? Promise.resolve(null) : withBroker.call(this, ask);
      });
      await open();
      await exchange('before');
      isOpening = false;
      asked = 0;
      // Another member makes the first one join again, and look for the coordinator.
      await open();
      await eventually('it to join again', () => Promise.resolve(asked > 0 || undefined));
      await exchange('after');
      await logs.pop()!.close();
      await exchange('alone again');
    },
    120_000,
  );
});
