import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { Instance } from '../../test/chaos/instance.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { describeWith } from '../../test/support/requirements.js';

/** A reader that is asleep asks for nothing more after this: its fetches wait for 100 ms at most. */
const FETCH_OVER_MS = 1_000;

interface Reader {
  readonly role: 'ingest' | 'score';
  readonly topic: string;
  readonly prefix: string;
  readonly sets: readonly string[];
}
const ingest = (name: string, keyed: boolean, ...sets: readonly string[]): Reader => ({
  ...{ role: 'ingest', topic: name, prefix: `${name}.` },
  sets: [`sources=[{topics: [${name}], format: wide-json, keyed: ${keyed}}]`, ...sets],
});
const READERS: readonly (readonly [name: string, readerOf: (topic: string) => Reader])[] = [
  ['ingest by kafkajs', (topic) => ingest(topic, true)],
  ['ingest by node-rdkafka', (topic) => ingest(topic, true, 'kafka.properties={client.rack: a}')],
  ['ingest in step', (topic) => ingest(topic, false)],
];
const scorer = (name: string): Reader => ({
  ...{ role: 'score', topic: `${name}.gpu.samples`, prefix: `${name}.`, sets: [] },
});

/** What happens to a topic behind a reader's back: told with its offsets, and nothing else is lost. */
await describeWith('kraft', 'a reader', () => {
  let broker: Broker;
  let client: TestClient;
  let admin: Admin;
  let named = 0;
  const instances: Instance[] = [];

  const start = async ({ role, prefix, sets }: Reader): Promise<Instance> => {
    const pairs = [
      `kafka.brokers=${broker.brokers}`,
      `kafka.topicPrefix=${prefix}`,
      'kafka.partitions=1',
      'model.directory=null',
      ...sets,
    ];
    const instance = await Instance.start({ name: 'reader', roles: [role] }, pairs, undefined, () => undefined);
    instances.push(instance);
    return instance;
  };
  const ready = (instance: Instance): Promise<true> =>
    eventually('readiness', async () => ((await instance.isAtWork()) ? true : undefined));
  const create = (topic: string): Promise<boolean> =>
    admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 1 }] });
  /** Until it works: a topic that was just created is not known at once. */
  const insist = (what: string, act: () => Promise<unknown>): Promise<true> =>
    eventually(what, () =>
      act().then(
        () => true as const,
        () => undefined,
      ),
    );
  /** Nobody can read them: each is answered with a dead letter. */
  const produce = (topic: string, count: number): Promise<void> =>
    client.produce(
      topic,
      Array.from({ length: count }, () => ({ key: 'host', value: 'no telemetry' })),
    );
  /** @returns offsets that so many dead letters tell of, in order */
  const letters = async ({ prefix }: Reader, count: number): Promise<number[]> => {
    const read = await client.readUntil([`${prefix}gpu.dead-letter`], ({ length }) => length === count);
    return read.map(({ headers }) => Number(headers.offset)).sort((a, b) => a - b);
  };
  const told = ({ output }: Instance): unknown[] =>
    output
      .split('\n')
      .filter((line) => line.includes('offsets_lost'))
      .map((line) => JSON.parse(line) as unknown);
  const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m', properties: { 'auto.create.topics.enable': 'false' } });
    client = new TestClient([broker.brokers]);
    const { Kafka, logLevel } = kafkajs;
    admin = new Kafka({ brokers: [broker.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') for (const { output } of instances) console.error(output);
    for (const instance of instances.splice(0)) await instance.kill();
  });
  afterAll(async () => {
    await admin?.disconnect();
    await broker?.stop();
  });

  it.each([...READERS, ['score', scorer] as const])(
    'is told which offsets retention took while it did not come along (%s)',
    async (_, readerOf) => {
      const reader = readerOf(`late-${++named}`);
      const { role, topic } = reader;
      await create(topic);
      const instance = await start(reader);
      await ready(instance);
      await insist('records', () => produce(topic, 10));
      await letters(reader, 10);
      expect(told(instance)).toEqual([]);
      instance.signal('SIGSTOP');
      await delay(FETCH_OVER_MS);
      await produce(topic, 10);
      await insist('records to be taken', () =>
        admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '15' }] }),
      );
      instance.signal('SIGCONT');
      expect(await letters(reader, 15)).toEqual([...numbers(0, 10), ...numbers(15, 20)]);
      expect(told(instance)).toEqual([
        expect.objectContaining({
          code: 'offsets_lost',
          role,
          topic,
          partition: 0,
          cause: 'expired',
          from: 10,
          to: 15,
        }),
      ]);
    },
    60_000,
  );

  /** As where the broker has lost what came after, or the topic was made anew. */
  const commitBeyondTheEnd = ({ role, topic, prefix }: Reader): Promise<true> =>
    insist('offsets to be set', () =>
      admin.setOffsets({
        groupId: `${prefix}gpu-actuary.${role}`,
        topic,
        partitions: [{ partition: 0, offset: '50' }],
      }),
    );

  it.each(READERS)(
    'that has read further than its topic goes begins with what there is (%s)',
    async (_, readerOf) => {
      const reader = readerOf(`beyond-${++named}`);
      const { role, topic } = reader;
      await create(topic);
      await insist('records', () => produce(topic, 10));
      await commitBeyondTheEnd(reader);
      const instance = await start(reader);
      await ready(instance);
      expect(await letters(reader, 10)).toEqual(numbers(0, 10));
      expect(told(instance)).toEqual([
        expect.objectContaining({ code: 'offsets_lost', role, topic, cause: 'anew', from: 50, to: 0 }),
      ]);
    },
    60_000,
  );
});
