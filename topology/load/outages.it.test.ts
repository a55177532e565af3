import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it, describe } from 'vitest';
import { AvroCodec } from '../../schema/avro.js';
import { systemClock } from '../../schema/clock.js';
import type { Config } from '../../schema/config.js';
import { EngineMetrics } from '../../serving/metrics.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { PostgresProcess } from '../../test/support/postgres-process.js';
import { migrateDatabase } from '../commands/db.js';
import { loadConfiguration } from '../configuration.js';
import { startEmbeddedKafka, type EmbeddedKafka } from '../embedded/kafka.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../embedded/postgres.js';
import { connectionOf } from '../kafka/connection.js';
import { prepareTopics } from '../kafka/startup.js';
import { LoadRole } from '../roles/load.js';

const START = Date.UTC(2026, 0, 1);
const PARTITIONS = 4;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The database is taken away from the load role in every way there is, by real signals to a real server. */
describe.skipIf(process.platform !== 'linux')('the load role, when the database', () => {
  let kafka: EmbeddedKafka;
  let postgres: EmbeddedPostgres;
  let server: PostgresProcess;
  let client: TestClient;
  let codec: AvroCodec;
  let produced = 0;
  const roles: Loader[] = [];

  interface Loader {
    readonly role: LoadRole;
    readonly metrics: EngineMetrics;
    readonly said: string[];
    readonly failures: Error[];
  }

  const configOf = (instance: string, url: string): Config =>
    loadConfiguration({
      environment: {},
      sets: [
        `instance=${instance}`,
        `kafka.brokers=${kafka.brokers.join(',')}`,
        'database.timeoutMs=1000',
        `database.url=${url}`,
      ],
    });
  const startLoader = async (instance = 'one', url = postgres.url): Promise<Loader> => {
    const config = configOf(instance, url);
    const metrics = new EngineMetrics({ version: 'test', commit: null }, systemClock);
    const said: string[] = [];
    const failures: Error[] = [];
    const say = (_: object, message: string): void => void said.push(message);
    const role = new LoadRole(
      { config, connection: connectionOf(config, true), codec, metrics, url },
      { log: { debug: say, info: say, warn: say, error: say }, fail: (error) => failures.push(error) },
    );
    const loader = { role, metrics, said, failures };
    roles.push(loader);
    await role.start();
    return loader;
  };
  const health = (n: number, instance = 'test'): Buffer =>
    codec.encode('health', {
      gpu_uuid: `GPU-${n % 7}`,
      as_of: START + n * 1000,
      newest_reading_at: START + n * 1000,
      trigger: 'change',
      score: 95,
      grade: 'excellent',
      coverage: 1,
      dimensions: { memory: 100 },
      deductions: [],
      emitted_at: START,
      instance,
    });
  const produce = async (count: number, instance?: string): Promise<void> => {
    const from = produced;
    produced += count;
    await client.produce(
      'gpu.health',
      Array.from({ length: count }, (_, index) => ({
        value: health(from + index, instance),
        partition: (from + index) % PARTITIONS,
      })),
    );
  };
  const query = async <T extends pg.QueryResultRow>(sql: string, url = postgres.url): Promise<T[]> => {
    const database = new pg.Client({ connectionString: url });
    database.on('error', () => undefined);
    await database.connect();
    try {
      return (await database.query<T>(sql)).rows;
    } finally {
      await database.end();
    }
  };
  const loaded = async (count: number): Promise<void> => {
    await eventually(`${count} rows`, async () => {
      const [{ n }] = await query<{ n: number }>('SELECT count(*)::int AS n FROM gpu_health_scores');
      return n >= count ? true : undefined;
    });
    const [row] = await query('SELECT count(*)::int AS n, count(DISTINCT as_of)::int AS d FROM gpu_health_scores');
    expect(row).toEqual({ n: count, d: count });
  };
  const waits = ({ role }: Loader, why: RegExp): Promise<true> =>
    eventually(`${why}; now ${role.readiness().detail}`, () =>
      Promise.resolve(!role.readiness().ready && why.test(role.readiness().detail) ? true : undefined),
    );
  const recovers = ({ role }: Loader): Promise<true> =>
    eventually('readiness', () => Promise.resolve(role.readiness().ready ? true : undefined));
  const sample = async ({ metrics }: Loader, series: string): Promise<number> =>
    Number(
      (await metrics.expose())
        .split('\n')
        .find((line) => line.startsWith(`${series} `))!
        .slice(series.length),
    );

  beforeAll(async () => {
    kafka = await startEmbeddedKafka();
    postgres = await startEmbeddedPostgres();
    server = new PostgresProcess(postgres);
    await migrateDatabase(postgres.url);
    client = new TestClient(kafka.brokers);
    codec = await AvroCodec.open(null, '');
    const config = configOf('setup', postgres.url);
    await prepareTopics(config, connectionOf(config, true), new Map(), silent);
  });
  afterEach(async () => {
    for (const { role, failures } of roles.splice(0)) {
      await role.stop();
      expect(failures).toEqual([]);
    }
  });
  afterAll(async () => {
    await server?.close();
    await postgres?.stop();
    await kafka?.stop();
  });

  /** Takes it away in the middle of a load, adds records, gives it back. */
  const outage = async (why: RegExp, away: () => Promise<void> | void, back: () => Promise<void> | void) => {
    const loader = await startLoader();
    await produce(3_000);
    await eventually('the first rows', async () =>
      (await query('SELECT 1 FROM gpu_health_scores LIMIT 1')).length > 0 ? true : undefined,
    );
    await away();
    await produce(3_000);
    await waits(loader, why);
    expect(await sample(loader, 'gpu_actuary_load_waiting_seconds')).toBeGreaterThan(0);
    const before = JSON.stringify(loader.role.state());
    await produce(1_000);
    await waits(loader, why);
    // Nothing is read meanwhile, so nothing is kept.
    expect(JSON.stringify(loader.role.state())).toBe(before);
    await back();
    await recovers(loader);
    await loaded(produced);
    expect(await sample(loader, 'gpu_actuary_load_waiting_seconds')).toBe(0);
    await eventually('no lag', async () =>
      (await sample(loader, 'gpu_actuary_lag_records{role="load"}')) === 0 ? true : undefined,
    );
  };

  it('is killed: waits, and loads every row once when it is back', () =>
    outage(
      /waiting for the database: .*(ECONNREFUSED|terminated)/,
      () => server.end('SIGKILL'),
      () => server.start(),
    ));

  it('is restarted: the same', () =>
    outage(
      /waiting for the database: /,
      () => server.end('SIGINT'),
      () => server.start(),
    ));

  it('is stopped and keeps its sockets open: notices, and loads every row once when it goes on', () =>
    outage(
      /waiting for the database: (no answer within 1000 ms|timeout expired)/,
      () => server.stop(),
      () => server.resume(),
    ));

  it('refuses the password: says so, and goes on when it takes it again', async () => {
    const [{ password }] = [new URL(postgres.url)];
    const setPassword = async (old: string, next: string): Promise<void> => {
      const url = new URL(postgres.url);
      url.password = old;
      await query(
        `ALTER USER postgres PASSWORD '${next}'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'gpu-actuary%'`,
        url.href,
      );
    };
    await outage(
      /it refuses the password/,
      () => setPassword(password, 'other'),
      () => setPassword('other', password),
    );
  });

  it('has no tables: says what to do, and goes on when they are there', () =>
    outage(
      /its tables are missing: run gpu-actuary db migrate/,
      async () => {
        await query('ALTER SCHEMA public RENAME TO elsewhere');
      },
      async () => {
        await query('ALTER SCHEMA elsewhere RENAME TO public');
      },
    ));

  it('is away as another loader joins: both have partitions all the same, and no row comes twice', async () => {
    const first = await startLoader();
    await produce(1_000);
    await loaded(produced);
    await server.end('SIGKILL');
    await produce(2_000);
    await waits(first, /waiting for the database/);
    const second = await startLoader('two');
    await waits(second, /waiting for the database/);
    // The first one has given partitions up without waiting for the database.
    const shares = (): number[] => [first, second].map(({ role }) => Object.keys(role.state() as object).length);
    await eventually('a share of its own for each', () =>
      Promise.resolve(new Set(shares()).size === 1 ? true : undefined),
    );
    await server.start();
    await Promise.all([recovers(first), recovers(second)]);
    await loaded(produced);
    await produce(1_000);
    await loaded(produced);
  });

  it('does not take a row: that row alone goes to the dead letters, once', async () => {
    const loader = await startLoader();
    await produce(500);
    await client.produce('gpu.health', [{ value: health(0, 'no text: \0'), partition: 1 }]);
    await produce(500);
    await loaded(produced);
    const letters = await client.readUntil(['gpu.dead-letter'], (records) => records.length > 0);
    expect(letters.map(({ headers }) => [headers.error_code, headers.topic, headers.partition])).toEqual([
      ['unloadable_row', 'gpu.health', '1'],
    ]);
    expect(loader.said.filter((message) => message.startsWith('waiting'))).toEqual([]);
  });
});
