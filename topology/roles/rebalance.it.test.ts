import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { AvroCodec } from '../../schema/avro.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { Random } from '../../simulator/random.js';
import { eventually, TestClient, type Read } from '../../test/support/client.js';
import { EngineCommand } from '../../test/support/engine-command.js';
import { describeWith } from '../../test/support/requirements.js';

const RAW = 'raw';
const PARTITIONS = 6;
const MESSAGES = 20_000;
const CHANGES = 14;
const MOST_INSTANCES = 4;
const OUTPUTS = ['features', 'predictions', 'health', 'decisions', 'panes'] as const;
type Digests = Record<string, { digest: string }>;

const digestsOf = (states: Digests): string[] =>
  Object.entries(states).map(([partition, { digest }]) => `${partition} ${digest}`);

/** What an instance owns by what it said. */
function ownedBy(instance: EngineCommand): Set<number> {
  const owned = new Set<number>();
  const [assigned, revoked] = ['partitions assigned', 'partitions revoked'].map((message) => instance.said(message));
  for (const line of [...assigned, ...revoked].sort((a, b) => (String(a.time) < String(b.time) ? -1 : 1)))
    for (const partition of line.partitions as number[])
      if (assigned.includes(line)) owned.add(partition);
      else owned.delete(partition);
  return owned;
}

await describeWith('kraft', 'instances of score that come and go', () => {
  let broker: Broker;
  let client: TestClient;
  let codec: AvroCodec;
  let samples: readonly Read[] = [];
  let whole: Digests = {};
  const started: EngineCommand[] = [];

  const run = (roles: string, topicPrefix: string, instance: string): EngineCommand => {
    const one = new EngineCommand(
      ['run', '--roles', roles],
      [
        `kafka.brokers=${broker.brokers}`,
        `kafka.topicPrefix=${topicPrefix}`,
        `kafka.partitions=${PARTITIONS}`,
        `instance=${instance}`,
        'kafka.sessionTimeoutMs=6000',
        'model.directory=null',
        'score.adaptive=false',
        'score.maxBatches=4',
        'ingest.batchSamples=40',
        'checkpoint.intervalMs=1000',
        'http.port=0',
        `sources=[{topics: [${RAW}], format: wide-json-flat, keyed: true}]`,
      ],
    );
    started.push(one);
    return one;
  };
  const sum = (offsets: Map<number, number>): number =>
    [...offsets.values()].reduce((total, offset) => total + Math.max(0, offset), 0);
  /** Sum of what a group has committed; 0 while the group's coordinator is not there yet. */
  const committed = (group: string, topic: string): Promise<number> =>
    client.committed(group, topic).then(sum, () => 0);
  const scored = (prefix: string): Promise<number> => committed(`${prefix}gpu-actuary.score`, `${prefix}gpu.samples`);
  /** What a read_committed reader sees of the outputs, by topic and GPU, in order. */
  const outputs = async (prefix: string): Promise<Record<string, unknown[]>> => {
    const byKey: Record<string, unknown[]> = {};
    for (const topic of OUTPUTS)
      for (const { value } of await client.readAll(`${prefix}gpu.${topic}`)) {
        const record = await codec.decode<Record<string, unknown>>(topic, value!);
        (byKey[`${topic} ${String(record.gpu_uuid)}`] ??= []).push({ ...record, emitted_at: null, instance: null });
      }
    return byKey;
  };
  /** Writes a share of the samples, as they stand in the first run's topic. */
  const feed = (prefix: string, from: number, until: number): Promise<void> =>
    client.produce(
      `${prefix}gpu.samples`,
      samples
        .slice(Math.floor(from * samples.length), Math.floor(until * samples.length))
        .map(({ key, value, partition }) => ({ key, value, partition })),
    );
  const all = async (prefix: string): Promise<void> => {
    await eventually('all scored', async () => ((await scored(prefix)) >= samples.length ? true : undefined));
  };

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    client = new TestClient([broker.brokers]);
    codec = await AvroCodec.open(null, '');
    const fleet = new Fleet({ gpus: 24, seed: 5, startMs: Date.UTC(2026, 5, 1), days: 2, cadenceMs: 60_000 });
    const messages: { key: string; value: string; timestampMs: number }[] = [];
    for (const scrape of fleet.scrapes()) {
      if (messages.length >= MESSAGES) break;
      for (const { key, value, timeMs } of messagesOf(scrape, 'wide-json-flat'))
        messages.push({ key, value, timestampMs: timeMs });
    }
    await client.produce(RAW, messages);
    const first = run('ingest,score', '', 'undisturbed');
    await eventually('all read', async () =>
      (await committed('gpu-actuary.ingest', RAW)) >= messages.length ? true : undefined,
    );
    samples = await client.readAll('gpu.samples');
    const last = new Map(samples.map(({ partition, offset }) => [partition, offset + 1]));
    await eventually('all scored', async () => ((await scored('')) >= sum(last) ? true : undefined));
    expect(await first.end('SIGTERM')).toBe(0);
    whole = first.said('state at the end').at(-1)!.partitions as Digests;
  });
  afterAll(async () => {
    for (const one of started) await one.end('SIGKILL');
    await broker?.stop();
  });

  it('stop at any moment of a rebalance, and say what a run says in which nothing happens', async () => {
    const random = new Random(31, 'changes');
    const prefix = 'b.';
    const here: EngineCommand[] = [run('score', prefix, 'i0')];
    await here[0].says('partitions assigned');
    for (let change = 0; change < CHANGES; change++) {
      await feed(prefix, change / CHANGES, (change + 1) / CHANGES);
      const joins = here.length === 1 || (here.length < MOST_INSTANCES && random.uniform() < 0.5);
      if (joins) here.push(run('score', prefix, `i${change + 1}`));
      // Half of the changes come into the middle of the one before.
      const newest = here[here.length - 1];
      if (random.uniform() < 0.5) await newest.says('partitions assigned');
      else if (joins) await newest.says('role started');
      if (joins) continue;
      const [leaving] = here.splice(Math.floor(random.uniform() * here.length), 1);
      expect(await leaving.end('SIGTERM'), leaving.output).toBe(0);
    }
    await all(prefix);
    while (here.length > 1) expect(await here.pop()!.end('SIGTERM')).toBe(0);
    const [last] = here;
    await eventually('all partitions with the last', () =>
      Promise.resolve(ownedBy(last).size === PARTITIONS || undefined),
    );
    expect(await last.end('SIGTERM')).toBe(0);
    const ended = last.said('state at the end').at(-1)!.partitions as Digests;
    expect(digestsOf(ended)).toEqual(digestsOf(whole));
    expect(await outputs(prefix)).toEqual(await outputs(''));
  }, 300_000);
});
