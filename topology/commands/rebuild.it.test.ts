import kafkajs, { type Admin } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { HOUR_MS } from '../../schema/clock.js';
import { SamplesCodec } from '../../schema/samples.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { EngineCommand } from '../../test/support/engine-command.js';
import { describeWith } from '../../test/support/requirements.js';

const PARTITIONS = 2;

/** Checkpoints are gone, and of the source only the newest hours are left: what gpu.panes has comes back from there. */
await describeWith('kraft', 'score, without a usable checkpoint', () => {
  let broker: Broker;
  let client: TestClient;
  let admin: Admin;
  let codec: AvroCodec;
  const processes: EngineCommand[] = [];
  const fleet = new Fleet({ gpus: 16, seed: 11, startMs: Date.UTC(2026, 5, 1), days: 4, cadenceMs: 300_000 });
  const scrapes = fleet.scrapes();
  let fed = 0;

  const start = (role: string, prefix: string, sets: readonly string[] = []): EngineCommand => {
    const common = ['model.directory=null', `kafka.partitions=${PARTITIONS}`, 'http.port=0', 'score.adaptive=false'];
    const process = new EngineCommand(
      ['run', '--roles', role],
      [
        ...[`kafka.brokers=${broker.brokers}`, `kafka.topicPrefix=${prefix}`, ...common, ...sets],
        ...['checkpoint.intervalMs=1000', 'kafka.sessionTimeoutMs=6000'],
      ],
    );
    processes.push(process);
    return process;
  };
  /** Feeds so many raw messages and has them ingested under both prefixes. */
  const feed = async (count: number): Promise<void> => {
    const messages: { key: string; value: string; timestampMs: number }[] = [];
    for (let scrape = scrapes.next(); !scrape.done && messages.length < count; scrape = scrapes.next())
      for (const { key, value, timeMs } of messagesOf(scrape.value, 'wide-json-flat'))
        messages.push({ key, value, timestampMs: timeMs });
    await client.produce('raw', messages);
    fed += messages.length;
    for (const prefix of ['', 'ref.']) {
      const ingest = start('ingest', prefix, [
        'ingest.batchSamples=20',
        'sources=[{topics: [raw], format: wide-json-flat, keyed: true}]',
      ]);
      await eventually('all raw messages read', async () =>
        (await position(`${prefix}gpu-actuary.ingest`, 'raw')) === fed ? true : undefined,
      );
      await ingest.end('SIGTERM');
    }
  };
  const position = async (group: string, topic: string): Promise<number> => {
    const offsets = await client.committed(group, topic).catch(() => new Map<number, number>());
    return [...offsets.values()].reduce((total, offset) => total + Math.max(0, offset), 0);
  };
  const caughtUp = async (prefix: string): Promise<void> => {
    const ends = await client.ends(`${prefix}gpu.samples`);
    // A partition that anything was written to ends with the marker of a transaction, which nobody commits.
    const total = [...ends.values()].reduce((sum, end) => sum + Math.max(0, end - 1), 0);
    await eventually('all samples scored', async () =>
      (await position(`${prefix}gpu-actuary.score`, `${prefix}gpu.samples`)) === total ? true : undefined,
    );
  };
  /** Takes away the source but for about its last hours. */
  const cutSource = async (hours: number): Promise<void> => {
    const batches = new SamplesCodec(codec);
    const ofPartition = Array.from({ length: PARTITIONS }, () => [] as { offset: number; ms: number }[]);
    for (const { partition, offset, value } of await client.readUntil(['gpu.samples'], (reads) => {
      const next = new Map<number, number>();
      for (const read of reads) next.set(read.partition, read.offset + 1);
      return [...ends].every(([partition, end]) => (next.get(partition) ?? 0) >= end - 1);
    }))
      ofPartition[partition].push({ offset, ms: (await batches.decode(value!)).eventTimeMs[0] });
    const partitions = ofPartition.map((all, partition) => {
      const from = all[all.length - 1].ms - hours * HOUR_MS;
      return { partition, offset: String(all.find(({ ms }) => ms >= from)!.offset) };
    });
    await deleteBelow(partitions);
  };
  const deleteBelow = async (partitions: { partition: number; offset: string }[]): Promise<void> => {
    // kafkajs asks the leaders that it knows of, and it knows of those that it was asked about.
    await admin.fetchTopicOffsets('gpu.samples');
    await admin.deleteTopicRecords({ topic: 'gpu.samples', partitions });
  };
  /** Both generations of all partitions' cuts become something that is none. */
  const damageCuts = (): Promise<void> =>
    client.produce(
      'gpu.checkpoints',
      [0, 1].flatMap((generation) =>
        Array.from({ length: PARTITIONS }, (_, partition) => ({
          key: `cut/${generation}`,
          value: 'no cut',
          partition,
        })),
      ),
    );
  let ends = new Map<number, number>();
  /** Records of an output by GPU and time; each of these once. */
  const readOnce = async (topic: 'panes' | 'features', prefix: string): Promise<Map<string, unknown>> => {
    const seen = new Map<string, unknown>();
    for (const { value } of await client.readAll(`${prefix}gpu.${topic}`)) {
      const record = await codec.decode<Record<string, unknown>>(topic, value!);
      const key = `${String(record.gpu_uuid)} ${String(record.as_of ?? record.hour_start)}`;
      expect(seen.has(key), `${topic} ${key} twice`).toBe(false);
      seen.set(key, { ...record, emitted_at: null, instance: null });
    }
    return seen;
  };

  beforeAll(async () => {
    // As many of the raw topic: so each partition of gpu.samples has one writer, and one marker after its last record.
    broker = await startBroker({ heap: '512m', properties: { 'num.partitions': PARTITIONS } });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    const { Kafka, logLevel } = kafkajs;
    admin = new Kafka({ brokers: [broker.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
  });
  afterAll(async () => {
    for (const process of processes) await process.end('SIGKILL');
    await admin?.disconnect();
    await broker?.stop();
  });

  it('rebuilds windows from gpu.panes and the rest of the source, and goes on as a run that nothing happened to', async () => {
    await feed(8_000);
    const before = start('score', '');
    await caughtUp('');
    await before.end('SIGKILL');
    ends = await client.ends('gpu.samples');
    await cutSource(5);
    await damageCuts();
    await feed(2_000);
    const after = start('score', '');
    await caughtUp('');
    await after.end('SIGTERM');
    expect(after.output).toContain('a checkpoint record is damaged');
    expect(after.output).toContain('windows are rebuilt from the closed hours of gpu.panes');
    const undisturbed = start('score', 'ref.');
    await caughtUp('ref.');
    await undisturbed.end('SIGTERM');
    for (const topic of ['panes', 'features'] as const) {
      const expected = await readOnce(topic, 'ref.');
      const actual = await readOnce(topic, '');
      expect(expected.size).toBeGreaterThan(500);
      expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [key, record] of expected) expect(actual.get(key), `${topic} ${key}`).toEqual(record);
    }
  }, 240_000);

  it('goes on where nothing is left of the source either', async () => {
    ends = await client.ends('gpu.samples');
    await deleteBelow([...ends].map(([partition, offset]) => ({ partition, offset: String(offset) })));
    await damageCuts();
    const panes = await readOnce('panes', '');
    const score = start('score', '');
    const url = await eventually(`a port among ${score.output}`, () =>
      Promise.resolve(/"url":"([^"]*)"/.exec(score.output)?.[1]),
    );
    await eventually('readiness', async () => ((await fetch(`${url}/readyz`)).ok ? true : undefined));
    const state = (await (await fetch(`${url}/debug/state`)).json()) as {
      roles: { score: { state: Record<string, { offset: number; gpus: number }> } };
    };
    const gpus = Object.values(state.roles.score.state).reduce((sum, one) => sum + one.gpus, 0);
    expect(gpus).toBe(new Set([...panes.keys()].map((key) => key.split(' ')[0])).size);
    await score.end('SIGTERM');
  }, 120_000);
});
