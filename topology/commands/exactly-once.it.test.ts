import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { SCORE_STEPS } from '../../schema/fail-point.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { EngineCommand } from '../../test/support/engine-command.js';
import { describeWith } from '../../test/support/requirements.js';

const OUTPUTS = ['features', 'predictions', 'health', 'decisions', 'panes'] as const;
/** Beyond the session timeout and the transaction's. */
const PAUSE_MS = 14_000;
/** Reading all there is takes 20 s, and three times that with other work on the machine. */
const TO_THE_END_MS = 180_000;
/** Of a test that reads to the end twice. */
const TEST_TIMEOUT_MS = 420_000;

/** A score process of its own. */
function scorer(brokers: string, instance: string, failPoint: string, topicPrefix: string): EngineCommand {
  const sets = [
    `kafka.brokers=${brokers}`,
    `instance=${instance}`,
    `kafka.topicPrefix=${topicPrefix}`,
    'model.directory=null',
    'kafka.partitions=4',
    'kafka.sessionTimeoutMs=6000',
    'http.port=0',
    'score.adaptive=false',
    // Few batches a transaction: many transactions.
    'score.maxBatches=2',
    'checkpoint.intervalMs=1000',
  ];
  return new EngineCommand(['run', '--roles', 'score'], sets, failPoint);
}

await describeWith('kraft', 'score, exactly once', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  const scorers: EngineCommand[] = [];
  let fed = 0;
  const fleet = new Fleet({ gpus: 16, seed: 5, startMs: Date.UTC(2026, 5, 1), days: 2, cadenceMs: 60_000 });
  const scrapes = fleet.scrapes();
  const start = (instance: string, failPoint = '', topicPrefix = ''): EngineCommand => {
    const started = scorer(broker.brokers, instance, failPoint, topicPrefix);
    scorers.push(started);
    return started;
  };
  const produceRaw = async (count: number): Promise<void> => {
    const messages: { key: string; value: string; timestampMs: number }[] = [];
    for (let scrape = scrapes.next(); !scrape.done && messages.length < count; scrape = scrapes.next())
      for (const { key, value, timeMs } of messagesOf(scrape.value, 'wide-json-flat'))
        messages.push({ key, value, timestampMs: timeMs });
    await client.produce('raw', messages);
    fed += messages.length;
  };
  /** What a group has committed, all partitions together. */
  const position = async (group = 'gpu-actuary.score', topic = 'gpu.samples'): Promise<number> => {
    const offsets = await client.committed(group, topic).catch(() => new Map<number, number>());
    return [...offsets.values()].reduce((total, offset) => total + Math.max(0, offset), 0);
  };
  /** Puts all raw messages into gpu.samples, by an ingest that nobody disturbs. */
  const ingestAll = async (topicPrefix = ''): Promise<void> => {
    const sets = [
      `kafka.brokers=${broker.brokers}`,
      'instance=feeder',
      `kafka.topicPrefix=${topicPrefix}`,
      'kafka.partitions=4',
      'http.port=0',
      'ingest.batchSamples=40',
      'sources=[{topics: [raw], format: wide-json-flat, keyed: true}]',
    ];
    const ingest = new EngineCommand(['run', '--roles', 'ingest'], sets);
    await eventually(
      'all raw messages read',
      async () => ((await position(`${topicPrefix}gpu-actuary.ingest`, 'raw')) === fed ? true : undefined),
      TO_THE_END_MS,
    );
    await ingest.end('SIGTERM');
  };
  const caughtUp = async (topicPrefix = ''): Promise<void> => {
    const ends = await client.ends(`${topicPrefix}gpu.samples`);
    // A partition that anything was written to ends with the marker of a transaction, which nobody commits.
    const total = [...ends.values()].reduce((sum, end) => sum + Math.max(0, end - 1), 0);
    await eventually(
      'all samples scored',
      async () =>
        (await position(`${topicPrefix}gpu-actuary.score`, `${topicPrefix}gpu.samples`)) === total ? true : undefined,
      TO_THE_END_MS,
    );
  };
  const movedOn = async (): Promise<void> => {
    const before = await position();
    await eventually('a transaction more', async () => ((await position()) > before ? true : undefined));
  };
  /** What a read_committed reader sees of an output, by GPU and time; each of these once. */
  const readOnce = async (topic: (typeof OUTPUTS)[number], topicPrefix = ''): Promise<Map<string, unknown>> => {
    const seen = new Map<string, unknown>();
    const twice: string[] = [];
    for (const { value } of await client.readAll(`${topicPrefix}gpu.${topic}`)) {
      const record = await codec.decode<Record<string, unknown>>(topic, value!);
      const key = `${String(record.gpu_uuid)} ${String(record.as_of ?? record.hour_start)}`;
      if (seen.has(key)) twice.push(`${topic} ${key}`);
      seen.set(key, { ...record, emitted_at: null, instance: null });
    }
    expect(twice).toEqual([]);
    return seen;
  };

  beforeAll(async () => {
    broker = await startBroker({
      heap: '512m',
      properties: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': 1_000 },
    });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    await produceRaw(44_000);
    await ingestAll();
  });
  afterAll(async () => {
    for (const one of scorers) one.signal('SIGKILL');
    await broker?.stop();
  });

  it.each(SCORE_STEPS.flatMap((step) => [`${step}.before`, `${step}.after`]))(
    'killed at %s: writes nothing twice',
    async (point) => {
      // Checkpoints are a second apart, and samples are to be left for the tests after this one.
      const scorer = start('one', `score.${point}:${point.startsWith('checkpoint') ? 2 : 3}`);
      expect(await scorer.ended()).toBe('SIGKILL');
      for (const topic of OUTPUTS) await readOnce(topic);
    },
  );

  it(
    'asleep beyond all timeouts while another goes on: wakes, writes nothing twice, and works on',
    async () => {
      const sleeper = start('one');
      await sleeper.says('partitions assigned');
      await movedOn();
      sleeper.signal('SIGSTOP');
      const asleep = performance.now();
      const other = start('two');
      await other.says('partitions assigned');
      await movedOn();
      await eventually('the pause to be over', () =>
        Promise.resolve(performance.now() - asleep > PAUSE_MS ? true : undefined),
      );
      sleeper.signal('SIGCONT');
      await caughtUp();
      other.signal('SIGTERM');
      expect(await other.ended()).toBe(0);
      await produceRaw(1_000);
      await ingestAll();
      await caughtUp();
      expect(sleeper.alive).toBe(true);
      sleeper.signal('SIGTERM');
      expect(await sleeper.ended()).toBe(0);
      for (const topic of OUTPUTS) await readOnce(topic);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'after all that: panes and features are those of a run that nothing disturbed',
    async () => {
      const undisturbed = start('three', '', 'ref.');
      await ingestAll('ref.');
      await caughtUp('ref.');
      undisturbed.signal('SIGTERM');
      expect(await undisturbed.ended()).toBe(0);
      for (const topic of OUTPUTS)
        expect((await readOnce(topic)).size > 0, topic).toBe((await readOnce(topic, 'ref.')).size > 0);
      for (const topic of ['panes', 'features'] as const) {
        const expected = await readOnce(topic, 'ref.');
        const actual = await readOnce(topic);
        expect(expected.size).toBeGreaterThan(100);
        expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
        for (const [key, record] of expected) expect(actual.get(key), `${topic} ${key}`).toEqual(record);
      }
    },
    TEST_TIMEOUT_MS,
  );
});
