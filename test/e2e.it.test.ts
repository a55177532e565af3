import { writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBroker } from '../bench/support/kraft.js';
import { AvroCodec } from '../schema/avro.js';
import { HOUR_MS } from '../schema/clock.js';
import { partitionOf } from '../schema/partition.js';
import type { DecisionRecord, FeaturesRecord, HealthRecord, PredictionRecord } from '../schema/records.js';
import { Fleet } from '../simulator/fleet.js';
import { messagesOf } from '../simulator/messages.js';
import { loadConfiguration } from '../topology/configuration.js';
import { startEmbeddedKafka } from '../topology/embedded/kafka.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../topology/embedded/postgres.js';
import { migrateDatabase } from '../topology/commands/db.js';
import type { Log } from '../topology/roles/role.js';
import { startEngine, type Engine } from '../topology/runtime.js';
import { eventually, TestClient, type Read } from './support/client.js';
import { readToEnd } from './support/read-to-end.js';
import { describeWith } from './support/requirements.js';

const PREFIX = 'e2e.';
const START = Date.UTC(2026, 5, 1);
const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

interface Cluster {
  readonly brokers: string[];
  /** Largest message that is not refused for its size. */
  readonly maxMessageBytes: number;
  readonly embedded: boolean;
  stop(): Promise<void>;
}

describe('end to end on the embedded cluster', () =>
  suite(async () => {
    const kafka = await startEmbeddedKafka();
    // Far below the 5 MiB that it keeps of a partition, where a larger message would push out what came before it.
    return { brokers: kafka.brokers, maxMessageBytes: 1_000_000, embedded: true, stop: () => kafka.stop() };
  }));

await describeWith('kraft', 'end to end on a real KRaft broker', () =>
  suite(async () => {
    const broker = await startBroker();
    // Several times what brokers take of themselves: the engine's topics are to take it, and a letter with it.
    return { brokers: [broker.brokers], maxMessageBytes: 5_000_000, embedded: false, stop: () => broker.stop() };
  }),
);

/** What a fleet operator relies on, from raw bytes on Kafka to topics, tables and HTTP. */
function suite(start: () => Promise<Cluster>): void {
  let cluster: Cluster;
  let postgres: EmbeddedPostgres;
  let database: pg.Client;
  let engine: Engine;
  let client: TestClient;
  let codec: AvroCodec;
  let assets: string;
  // 4 GPUs on 2 hosts, half a day: one host's collector sends wide JSON, the other's exposition text.
  const fleet = new Fleet({ gpus: 4, hosts: 2, seed: 11, startMs: START, days: 0.5, cadenceMs: 60_000 });
  const uuids = fleet.gpus.map(({ facts }) => facts.uuid);
  const newest = new Map<string, number>();
  /** Minutes with a reading, by GPU: hosts go down, and exporters with them. */
  const minutes = new Map<string, Set<number>>();
  /** Where history ends, by `topic/partition`. */
  const historyEnds = new Map<string, number>();

  const startTheEngine = (sets: readonly string[] = []): Promise<Engine> =>
    startEngine({
      config: loadConfiguration({
        environment: {},
        sets: [
          'instance=test',
          `kafka.brokers=${cluster.brokers.join(',')}`,
          `kafka.topicPrefix=${PREFIX}`,
          'kafka.partitions=4',
          'model.directory=null',
          `database.url=${postgres.url}`,
          'http.port=0',
          `ingest.maxMessageBytes=${cluster.maxMessageBytes}`,
          ...sets,
        ],
      }),
      roles: ['ingest', 'score', 'load', 'serve'],
      embedded: cluster.embedded,
      build: { version: 'test', commit: null },
      log: silent,
    });

  const latest = <T extends { gpu_uuid: string; as_of: number }>(records: readonly T[]): Map<string, T> => {
    const map = new Map<string, T>();
    for (const record of records)
      if (record.as_of >= (map.get(record.gpu_uuid)?.as_of ?? 0)) map.set(record.gpu_uuid, record);
    return map;
  };
  const decodeAll = <T>(
    key: 'features' | 'predictions' | 'health' | 'decisions',
    reads: readonly Read[],
  ): Promise<T[]> => Promise.all(reads.map(({ value }) => codec.decode<T>(key, value!)));
  const json = async (path: string): Promise<{ status: number; body: Record<string, unknown> }> => {
    const response = await fetch(engine.url + path);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const settled = (seen: ReadonlyMap<string, number>): boolean =>
    uuids.every((uuid) => (seen.get(uuid) ?? 0) >= newest.get(uuid)! - 900_000);

  beforeAll(async () => {
    cluster = await start();
    postgres = await startEmbeddedPostgres();
    await migrateDatabase(postgres.url);
    database = new pg.Client({ connectionString: postgres.url });
    database.on('error', () => undefined);
    await database.connect();
    client = new TestClient(cluster.brokers);
    codec = await AvroCodec.open(null, PREFIX);
    const directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-e2e-'));
    assets = join(directory, 'assets.jsonl');
    writeFileSync(
      assets,
      fleet
        .assets()
        .map((asset) => JSON.stringify(asset) + '\n')
        .join(''),
    );

    const wide: { value: string; timestampMs: number }[] = [];
    const text: { value: string; timestampMs: number }[] = [];
    for (const scrape of fleet.scrapes()) {
      const format = scrape.host.index === 0 ? 'wide-json' : 'prometheus-text';
      for (const { value, timeMs } of messagesOf(scrape, format))
        (format === 'wide-json' ? wide : text).push({ value, timestampMs: timeMs });
      for (const { facts } of scrape.gpus) {
        newest.set(facts.uuid, scrape.timeMs);
        const own = minutes.get(facts.uuid) ?? new Set();
        minutes.set(facts.uuid, own.add(Math.floor(scrape.timeMs / 60_000)));
      }
    }
    // Without keys, so dealt over all partitions: the engine has to put them in order.
    const deal = <T extends object>(messages: readonly T[]): (T & { partition: number })[] =>
      messages.map((message, index) => ({ ...message, partition: index % 4 }));
    await client.produce('gpu-metrics-raw', deal(wide));
    await client.produce('dcgm-scrapes', deal(text));
    for (const [topic, messages] of [
      ['gpu-metrics-raw', wide],
      ['dcgm-scrapes', text],
    ] as const)
      for (const { partition } of deal(messages))
        historyEnds.set(`${topic}/${partition}`, (historyEnds.get(`${topic}/${partition}`) ?? 0) + 1);
    engine = await startTheEngine([`assets.file=${assets}`]);
  });

  afterAll(async () => {
    await engine?.stop();
    await database?.end();
    await postgres?.stop();
    await cluster?.stop();
  });

  it('puts features, predictions, health and decisions on Kafka for an independent client', async () => {
    const topics = ['features', 'predictions', 'health', 'decisions'].map((key) => `${PREFIX}gpu.${key}`);
    const priced = fleet.gpus
      .filter(({ facts }) => facts.host.model.name.includes('H100'))
      .map(({ facts }) => facts.uuid);
    const fresh = new Map<string, number>();
    const heard = topics.map(() => new Set<string>());
    let looked = 0;
    const reads = await client.readUntil(topics, (records) => {
      // Features come each 15 minutes of event time: those of the last quarter say that all is through. While the
      // engine catches up with history, the model's answers come after them, in turns.
      for (; looked < records.length; looked++) {
        const { topic, key, value } = records[looked];
        heard[topics.indexOf(topic)].add(key!);
        if (topic !== topics[0]) continue;
        const { gpu_uuid, as_of } = codec.decodeKnown<FeaturesRecord>('features', value!);
        fresh.set(gpu_uuid, Math.max(as_of, fresh.get(gpu_uuid) ?? 0));
      }
      const wanted = [uuids, uuids, uuids, priced];
      return settled(fresh) && heard.every((gpus, index) => gpus.size >= wanted[index].length);
    });
    const of = (index: number): Read[] => reads.filter(({ topic }) => topic === topics[index]);
    for (const { key, value, partition } of reads) {
      expect(codecUuid(value!)).toBe(key);
      // By the hash that every Kafka client uses, so that others find a GPU where they look for it.
      expect(partition).toBe(partitionOf(key!, 4));
    }

    const features = await decodeAll<FeaturesRecord>('features', of(0));
    // A GPU's window holds every reading of every partition, in order: none was late.
    for (const uuid of uuids) {
      const record = latest(features).get(uuid)!;
      expect(record.features.gpu_temp_mean).toBeGreaterThan(15);
      expect(record.features.gpu_temp_mean).toBeLessThan(90);
      expect(record.features.reporting_ratio).toBe(1);
      expect(record.features.gpu_age_days).toBeGreaterThan(0);
    }
    const predictions = await decodeAll<PredictionRecord>('predictions', of(1));
    for (const record of predictions) {
      expect(record.failure_prob_7d).toBeLessThanOrEqual(record.failure_prob_30d);
      expect(record.failure_prob_30d).toBeLessThanOrEqual(record.failure_prob_90d);
      expect(record.model_version).toContain('heuristic');
    }
    expect(latest(predictions).size).toBe(uuids.length);
    const health = await decodeAll<HealthRecord>('health', of(2));
    expect([...latest(health).values()].every(({ score }) => score !== null && score > 70)).toBe(true);
    const decisions = await decodeAll<DecisionRecord>('decisions', of(3));
    expect(new Set(decisions.map(({ gpu_uuid }) => gpu_uuid))).toEqual(new Set(priced));
    for (const record of decisions)
      expect(record.expected_value).toBe(
        Math.max(record.npv_keep, record.npv_sell, record.npv_repurpose, record.salvage_value),
      );
  });

  it('emits at most one record a topic, GPU and event time', async () => {
    const topics = ['features', 'predictions', 'health', 'decisions'].map((key) => `${PREFIX}gpu.${key}`);
    const reads = await client.readUntil(topics, (records) => records.length > 100);
    const seen = new Set<string>();
    for (const { topic, value } of reads) {
      const key = topic.slice(PREFIX.length + 'gpu.'.length) as 'features';
      const { gpu_uuid, as_of } = await codec.decode<FeaturesRecord>(key, value!);
      const identity = `${topic} ${gpu_uuid} ${as_of}`;
      expect(seen.has(identity), identity).toBe(false);
      seen.add(identity);
    }
  });

  it('loads every record into the database once, with a minute of telemetry a row', async () => {
    const count = async (sql: string): Promise<number> => Number((await database.query<{ n: string }>(sql)).rows[0].n);
    await eventually('rows of the newest hour', async () => {
      const { rows } = await database.query<{ gpu_uuid: string; newest: Date }>(
        'SELECT gpu_uuid, max(as_of) AS newest FROM gpu_features GROUP BY gpu_uuid',
      );
      return settled(new Map(rows.map(({ gpu_uuid, newest }) => [gpu_uuid, newest.getTime()]))) ? true : undefined;
    });
    for (const table of [
      'gpu_features',
      'gpu_failure_predictions',
      'gpu_health_scores',
      'gpu_economic_decisions',
      'gpu_metrics',
    ])
      expect(await count(`SELECT count(*) - count(DISTINCT (gpu_uuid, as_of)) AS n FROM ${table}`), table).toBe(0);
    // No record without its row, no row without its record.
    const tables = {
      features: 'gpu_features',
      predictions: 'gpu_failure_predictions',
      health: 'gpu_health_scores',
      decisions: 'gpu_economic_decisions',
    } as const;
    for (const [key, table] of Object.entries(tables) as [keyof typeof tables, string][]) {
      const topic = `${PREFIX}gpu.${key}`;
      const identity = (gpu: string, asOf: number): string => `${gpu} ${asOf}`;
      const inTopic = async (): Promise<string[]> => {
        const reads = await readToEnd(cluster.brokers, topic, [...(await client.ends(topic)).keys()]);
        const written = await decodeAll<FeaturesRecord>(key, reads);
        return written.map(({ gpu_uuid, as_of }) => identity(gpu_uuid, as_of)).sort();
      };
      const inTable = async (): Promise<string[]> => {
        const { rows } = await database.query<{ gpu_uuid: string; as_of: Date }>(
          `SELECT gpu_uuid, as_of FROM ${table}`,
        );
        return rows.map(({ gpu_uuid, as_of }) => identity(gpu_uuid, as_of.getTime())).sort();
      };
      const written = await inTopic();
      await eventually(`the rows of ${table}`, async () =>
        (await count(`SELECT count(*) AS n FROM ${table}`)) >= written.length ? true : undefined,
      );
      expect(await inTable(), table).toEqual(written);
    }
    const written = Object.fromEntries([...minutes].map(([gpu, own]) => [gpu, own.size]));
    const loaded = async (): Promise<Record<string, number>> => {
      const { rows } = await database.query<{ gpu_uuid: string; n: string }>(
        'SELECT gpu_uuid, count(*) AS n FROM gpu_metrics GROUP BY gpu_uuid',
      );
      return Object.fromEntries(rows.map(({ gpu_uuid, n }) => [gpu_uuid, Number(n)]));
    };
    // A GPU's last minute is open until a later one comes.
    await eventually('minutes of telemetry', async () => {
      const rows = await loaded();
      return Object.entries(written).every(([gpu, count]) => rows[gpu] === count || rows[gpu] === count - 1)
        ? true
        : undefined;
    });
    expect(Math.max(...Object.values(written))).toBeGreaterThan(700);
    expect(await count('SELECT count(*) AS n FROM gpu_assets')).toBe(uuids.length);
    expect(await count('SELECT count(*) AS n FROM v_latest_predictions')).toBe(uuids.length);
    expect(await count('SELECT count(*) AS n FROM feature_definitions')).toBe(54);
  });

  it('answers over HTTP what stands in the topics', async () => {
    await eventually('readiness', async () => ((await json('/readyz')).status === 200 ? true : undefined));
    const { body } = await json('/gpus?sort=risk&limit=10');
    const items = body.items as { gpu_uuid: string; failure_prob_30d: number; host: string }[];
    expect(new Set(items.map(({ gpu_uuid }) => gpu_uuid))).toEqual(new Set(uuids));
    expect(items.map(({ failure_prob_30d }) => failure_prob_30d)).toEqual(
      items.map(({ failure_prob_30d }) => failure_prob_30d).sort((a, b) => b - a),
    );
    for (const path of ['features', 'predictions', 'health']) {
      const answer = await json(`/${path}/${uuids[0]}`);
      expect([path, answer.status, answer.body.gpu_uuid]).toEqual([path, 200, uuids[0]]);
    }
    expect(await json('/predictions/GPU-unknown')).toMatchObject({ status: 404, body: { code: 'unknown_gpu' } });
    expect(await json('/gpus?limit=0')).toMatchObject({ status: 400, body: { code: 'bad_request' } });
    expect((await json('/openapi.json')).body).toHaveProperty('paths');
  });

  it('dead-letters what cannot be read, with its bytes and a code, and goes on', async () => {
    const uuid = uuids[0];
    const time = newest.get(uuid)!;
    const good = (at: number, temperature: number): string =>
      JSON.stringify({
        timestamp: new Date(at).toISOString(),
        gpu: { gpu_uuid: uuid },
        metrics: { health: { gpu_temp_c: temperature } },
      });
    const bad: [string, string | null, number][] = [
      ['malformed', 'no JSON', time],
      ['missing_gpu', '{"timestamp":"2026-01-01T00:00:00Z"}', time],
      ['bad_time', good(time, 50).replace(/"timestamp":"[^"]*"/, '"timestamp":12'), time],
      ['missing_time', JSON.stringify({ gpu: { gpu_uuid: uuid }, metrics: {} }), time],
      ['empty', null, time],
      ['oversized', JSON.stringify({ note: 'x'.repeat(cluster.maxMessageBytes) }), time],
      ['future', good(time + HOUR_MS, 50), time],
      ['past', good(time - 20 * 24 * HOUR_MS, 50), time],
      ['late', good(time - 3 * HOUR_MS, 50), time],
    ];
    for (const [, value, timestampMs] of bad)
      await client.produce('gpu-metrics-raw', [{ value, timestampMs, partition: 0 }]);
    // Of another writer, in the engine's own topic.
    const alien = Buffer.from([0, 0, 0, 0, 7, 1, 2, 3]);
    await client.produce(`${PREFIX}gpu.samples`, [{ value: alien, partition: 0 }]);
    // Readings that do not count, in text and JSON, one by one; what stands beside them does.
    const line = (name: string, value: string): string => `${name}{UUID="${uuid}"} ${value}\n`;
    const text =
      line('DCGM_FI_DEV_MEMORY_TEMP', '2147483632') + line('DCGM_FI_DEV_POWER_USAGE', '99999') + 'DCGM_FI_DEV_SM_CL';
    await client.produce('dcgm-scrapes', [{ value: text + 'OCK{UUID="', timestampMs: time + 60_000, partition: 0 }]);
    await client.produce('gpu-metrics-raw', [
      { value: good(time + HOUR_MS, 51), timestampMs: time + HOUR_MS, partition: 0 },
    ]);

    // The scrape without a single reading that counts is empty as a whole.
    const codes = [...bad.map(([code]) => code), 'unknown_schema', 'empty'];
    // A rebalance may have had history read twice (at least once): what comes again of it is late, and no matter here.
    const isOfThisTest = ({ headers }: Read): boolean =>
      Number(headers.offset) >= (historyEnds.get(`${headers.topic}/${headers.partition}`) ?? 0);
    const all = await client.readUntil(
      [`${PREFIX}gpu.dead-letter`],
      (records) => records.filter(isOfThisTest).length >= codes.length,
    );
    const letters = all.filter(isOfThisTest);
    expect(all.filter((one) => !isOfThisTest(one) && one.headers.error_code !== 'late')).toEqual([]);
    expect(letters.map(({ headers }) => headers.error_code).sort()).toEqual(codes.sort());
    for (const { headers } of letters) {
      expect(headers.partition).toBe('0');
      expect(Number(headers.offset)).toBeGreaterThanOrEqual(0);
    }
    const from = (topic: string): Read[] => letters.filter(({ headers }) => headers.topic === topic);
    expect(from('gpu-metrics-raw')).toHaveLength(bad.length);
    expect(new Set(from('gpu-metrics-raw').map(({ headers }) => headers.offset)).size).toBe(bad.length);
    expect(from(`${PREFIX}gpu.samples`)).toMatchObject([{ headers: { error_code: 'unknown_schema' }, value: alien }]);
    expect(from('dcgm-scrapes')[0].value!.toString()).toContain('99999');
    const letter = (code: string): Read => letters.find(({ headers }) => headers.error_code === code)!;
    expect(letter('malformed').value!.toString()).toBe('no JSON');
    expect(letter('oversized').value!.length).toBe(bad.find(([code]) => code === 'oversized')![1]!.length);
    expect(JSON.parse(letter('late').value!.toString())).toMatchObject({ gpu_uuid: uuid, readings: { gpu_temp: 50 } });

    // The reading after all of it closed an hour: the stream is untouched.
    const features = await eventually('the reading after them', async () => {
      const { body } = await json(`/features/${uuid}`);
      return body.as_of === new Date(time + HOUR_MS).toISOString() ? body : undefined;
    });
    expect(features.trigger).toBe('pane');
    const metrics = await (await fetch(`${engine.url}/metrics`)).text();
    for (const reason of ['sentinel', 'range', 'unparseable'])
      expect(metrics).toMatch(new RegExp(`readings_rejected_total\\{reason="${reason}"\\} [1-9]`));
    expect(metrics).toMatch(/gpu_actuary_dead_letters_total\{code="late"\} [1-9]/);
  });

  it('goes on where it was after a stop, with the windows as they were', async () => {
    const uuid = uuids[0];
    const before = (await json(`/features/${uuid}`)).body.features as Record<string, number>;
    const time = newest.get(uuid)! + HOUR_MS;
    await engine.stop();
    // One GPU has left the register meanwhile.
    writeFileSync(
      assets,
      fleet
        .assets()
        .filter(({ gpu_uuid }) => gpu_uuid !== uuids[3])
        .map((asset) => JSON.stringify(asset) + '\n')
        .join(''),
    );
    engine = await startTheEngine([`assets.file=${assets}`]);
    await eventually('readiness', async () => ((await json('/readyz')).status === 200 ? true : undefined));
    const next = time + 900_000;
    await client.produce('gpu-metrics-raw', [
      {
        value: JSON.stringify({
          timestamp: new Date(next).toISOString(),
          gpu: { gpu_uuid: uuid },
          metrics: { health: { gpu_temp_c: 52 } },
        }),
        timestampMs: next,
        partition: 1,
      },
    ]);
    const after = await eventually('features after the restart', async () => {
      const { body } = await json(`/features/${uuid}`);
      return body.as_of === new Date(next).toISOString() ? (body.features as Record<string, number>) : undefined;
    });
    // The mean of half a day barely moves with one more reading; a window begun anew would stand at 52.
    expect(Math.abs(after.gpu_temp_mean - before.gpu_temp_mean)).toBeLessThan(0.1);
    expect(after.power_usage_mean).toBeCloseTo(before.power_usage_mean, 9);
    const rows = await database.query(
      'SELECT gpu_uuid, as_of FROM gpu_features GROUP BY gpu_uuid, as_of HAVING count(*) > 1',
    );
    expect(rows.rows).toEqual([]);
    await eventually('the register without the GPU', async () => {
      const known = await database.query<{ gpu_uuid: string }>('SELECT gpu_uuid FROM gpu_assets');
      return known.rowCount === uuids.length - 1 ? true : undefined;
    });
  });
}

/** gpu_uuid is the first field of every output: a length and its letters after the header. */
function codecUuid(value: Buffer): string {
  const length = value[5] >> 1;
  return value.subarray(6, 6 + length).toString();
}
