import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { TRANSACTION_STEPS } from '../../schema/fail-point.js';
import { fromSamplesRecord } from '../../schema/samples.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { EngineCommand } from '../../test/support/engine-command.js';
import { describeWith } from '../../test/support/requirements.js';

/** Produced at a time. */
const MESSAGES = 800;
/** Among the good messages, so that there are dead letters to be lost or doubled. */
const BAD_EVERY = 50;
const RAW_PARTITIONS = 4;

/** A source as one of the ways to read it has it; each has topics and groups of its own. */
interface Way {
  readonly name: string;
  readonly keyed: boolean;
  readonly properties: string;
}
const KAFKAJS: Way = { name: 'keyed', keyed: true, properties: '{}' };
const RDKAFKA: Way = { name: 'keyed-rdkafka', keyed: true, properties: '{client.rack: a}' };
const UNKEYED: Way = { name: 'unkeyed', keyed: false, properties: '{}' };

/** An ingest process of its own. */
function ingester(brokers: string, way: Way, instance: string, failPoint: string): EngineCommand {
  const sets = [
    `kafka.brokers=${brokers}`,
    `kafka.topicPrefix=${way.name}.`,
    `kafka.properties=${way.properties}`,
    `instance=${instance}`,
    'kafka.partitions=4',
    'kafka.sessionTimeoutMs=1500',
    // Many transactions.
    'kafka.commitIntervalMs=5',
    'http.port=0',
    `sources=[{topics: [raw-${way.name}], format: wide-json-flat, keyed: ${way.keyed}}]`,
  ];
  return new EngineCommand(['run', '--roles', 'ingest'], sets, failPoint);
}

await describeWith('kraft', 'ingest, exactly once', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  const running: EngineCommand[] = [];
  const fed = new Map<Way, { messages: number; bad: number; readonly scrapes: ReturnType<Fleet['scrapes']> }>();
  const start = (way: Way, instance: string, failPoint = ''): EngineCommand => {
    const started = ingester(broker.brokers, way, instance, failPoint);
    running.push(started);
    return started;
  };
  const produce = async (way: Way): Promise<void> => {
    const fleet = new Fleet({ gpus: 16, seed: 7, startMs: Date.UTC(2026, 5, 1), days: 60, cadenceMs: 60_000 });
    const known = fed.get(way) ?? { messages: 0, bad: 0, scrapes: fleet.scrapes() };
    fed.set(way, known);
    const { scrapes } = known;
    const messages: { key: string | null; value: string; timestampMs: number; partition?: number }[] = [];
    const add = (key: string, value: string, timestampMs: number): void =>
      void messages.push(
        way.keyed
          ? { key, value, timestampMs }
          : { key: null, value, timestampMs, partition: messages.length % RAW_PARTITIONS },
      );
    for (let scrape = scrapes.next(); !scrape.done && messages.length < MESSAGES; scrape = scrapes.next())
      for (const { key, value, timeMs } of messagesOf(scrape.value, 'wide-json-flat')) {
        if (messages.length % BAD_EVERY === 0) {
          add(key, 'no telemetry', timeMs);
          known.bad++;
        }
        add(key, value, timeMs);
      }
    await client.produce(`raw-${way.name}`, messages);
    known.messages += messages.length;
    // What the client wrote twice is no fault of the engine.
    expect(await client.count(`raw-${way.name}`)).toBe(known.messages);
  };
  const allRead = (way: Way, orElse = (): boolean => false): Promise<true> =>
    eventually('all raw messages read', async () => {
      const group = `${way.name}.gpu-actuary.ingest`;
      const offsets = await client.committed(group, `raw-${way.name}`).catch(() => new Map<number, number>());
      const sum = [...offsets.values()].reduce((total, offset) => total + Math.max(0, offset), 0);
      const ends = await client.ends(`raw-${way.name}`);
      return sum === [...ends.values()].reduce((total, end) => total + end, 0) || orElse() ? true : undefined;
    });
  /** Each raw message stands in one batch, or among the dead letters, once. */
  const expectEachOnce = async (way: Way): Promise<void> => {
    const times = new Map<string, number>();
    const count = (origin: string): void => void times.set(origin, (times.get(origin) ?? 0) + 1);
    for (const { value } of await client.readAll(`${way.name}.gpu.samples`)) {
      const batch = fromSamplesRecord(await codec.decode('samples', value!));
      for (let row = 0; row < batch.count; row++)
        count(`${batch.origins[batch.originIndex[row]].partition}/${batch.originOffset[row]}`);
    }
    const letters = await client.readAll(`${way.name}.gpu.dead-letter`);
    const { messages, bad } = fed.get(way)!;
    expect(letters.length).toBe(bad);
    for (const { headers } of letters) count(`${headers.partition}/${headers.offset}`);
    expect([...times].filter(([, seen]) => seen !== 1)).toEqual([]);
    expect(times.size).toBe(messages);
  };
  /** Kills a process at each of these points, one after the other, and lets a last one finish. */
  const disturb = async (way: Way, points: readonly string[]): Promise<void> => {
    for (const point of points) {
      const struck = start(way, 'one', `ingest.${point}:1`);
      // Each time at least a transaction more.
      while (struck.alive) {
        await produce(way);
        await allRead(way, () => !struck.alive);
      }
      expect(await struck.ended(), point).toBe('SIGKILL');
    }
    await produce(way);
    const last = start(way, 'one');
    await allRead(way);
    last.signal('SIGTERM');
    expect(await last.ended()).toBe(0);
    await expectEachOnce(way);
  };

  beforeAll(async () => {
    broker = await startBroker({
      heap: '512m',
      properties: { 'group.min.session.timeout.ms': 1_000 },
    });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
  });
  afterAll(async () => {
    for (const one of running) one.signal('SIGKILL');
    await broker?.stop();
  });

  it('killed at every step while it reads by kafkajs', async () => {
    await disturb(
      KAFKAJS,
      TRANSACTION_STEPS.flatMap((step) => [`${step}.before`, `${step}.after`]),
    );
  }, 300_000);

  it('asleep in the middle of its commit while another takes over: wakes, and works on', async () => {
    await produce(KAFKAJS);
    const sleeper = start(KAFKAJS, 'one', 'ingest.commit.before:1:SIGSTOP');
    await sleeper.asleep();
    const other = start(KAFKAJS, 'two');
    await allRead(KAFKAJS);
    sleeper.signal('SIGCONT');
    await sleeper.says('begin anew from what is committed');
    other.signal('SIGTERM');
    expect(await other.ended()).toBe(0);
    await produce(KAFKAJS);
    await allRead(KAFKAJS);
    sleeper.signal('SIGTERM');
    expect(await sleeper.ended()).toBe(0);
    await expectEachOnce(KAFKAJS);
  }, 300_000);

  it('killed before its commit while it reads by node-rdkafka', async () => {
    await disturb(RDKAFKA, ['commit.before']);
  }, 300_000);

  it('killed around its commit while it reads in step', async () => {
    await disturb(UNKEYED, ['produce.after', 'commit.before', 'commit.after']);
  }, 300_000);
});
