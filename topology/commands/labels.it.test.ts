import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { eventually, TestClient } from '../../test/support/client.js';
import { EngineCommand } from '../../test/support/engine-command.js';
import { describeWith } from '../../test/support/requirements.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../embedded/postgres.js';
import { migrateDatabase } from './db.js';
import { main } from './main.js';

const label = (gpu_uuid: string, failed_at: string, type: string | null): string =>
  JSON.stringify({ gpu_uuid, failed_at, type });

await describeWith('kraft', 'gpu-actuary labels import', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-labels-'));
  const file = join(directory, 'labels.jsonl');
  let broker: Broker;
  let postgres: EmbeddedPostgres;
  let database: pg.Client;
  let loader: EngineCommand | undefined;

  const command = async (...argv: string[]): Promise<{ status: number; out: string[]; err: string }> => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const status = await main(
      [...argv, '--set', `kafka.brokers=${broker.brokers}`],
      {},
      {
        stdin: new PassThrough(),
        stdout,
        stderr,
      },
    );
    const text = (stream: PassThrough): string => String(stream.read() ?? '');
    return { status, out: text(stdout).split('\n').slice(0, -1), err: text(stderr) };
  };
  const imported = (lines: readonly string[], ...args: string[]): ReturnType<typeof command> => {
    writeFileSync(file, lines.join('\n'));
    return command('labels', 'import', file, '--now', '2026-07-01', ...args);
  };
  const table = async (): Promise<string[]> =>
    (
      await database.query<{ gpu_uuid: string; failed_at: Date; type: string }>(
        'SELECT * FROM gpu_failure_labels ORDER BY gpu_uuid, failed_at',
      )
    ).rows.map(({ gpu_uuid, failed_at, type }) => `${gpu_uuid} ${failed_at.toISOString().slice(0, 10)} ${type}`);
  const loads = (expected: string[]): Promise<unknown> =>
    eventually(expected.join('; '), async () =>
      JSON.stringify(await table()) === JSON.stringify(expected) ? true : undefined,
    );

  beforeAll(async () => {
    postgres = await startEmbeddedPostgres();
    await migrateDatabase(postgres.url);
    database = new pg.Client({ connectionString: postgres.url });
    await database.connect();
    broker = await startBroker({ heap: '512m' });
    expect((await command('topics', 'create', '--set', 'kafka.partitions=3')).status).toBe(0);
  });
  afterAll(async () => {
    await loader?.end('SIGTERM');
    await broker?.stop();
    await database?.end();
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('reads topics that were created a moment ago, in whose partitions there was no leader yet', async () => {
    for (const prefix of ['a.', 'b.']) {
      const to = ['--set', `kafka.topicPrefix=${prefix}`];
      const created = await command('topics', 'create', '--set', 'kafka.partitions=12', ...to);
      expect(created.status).toBe(0);
      expect(await imported([label('GPU-a', '2026-01-01', 'memory')], ...to)).toMatchObject({ status: 0 });
    }
  });

  it('says what it would write and what it refuses, line by line, and writes nothing', async () => {
    const lines = [label('GPU-a', '2026-01-01', 'memory'), '{', label('GPU-b', '2027-01-01', 'power')];
    const dry = await imported(lines);
    expect(dry.status).toBe(1);
    expect(dry.out).toEqual([
      'new        GPU-a  2026-01-01T00:00:00.000Z  memory',
      `refused    ${file}:2: malformed: not JSON`,
      `refused    ${file}:3: future: failed_at 2027-01-01T00:00:00.000Z is still to come`,
    ]);
    expect(dry.err).toContain('1 new, 0 changed, 0 identical, 0 removed, 2 refused (1 malformed, 1 future)');
    expect(dry.err).toContain('input_invalid');
    expect((await imported(lines, '--apply')).status).toBe(1);
    const json = await imported(lines.slice(0, 1), '--json');
    expect(json.out.map((line) => JSON.parse(line) as object)).toEqual([
      {
        outcome: 'new',
        line: 1,
        gpu_uuid: 'GPU-a',
        failed_at: '2026-01-01T00:00:00.000Z',
        type: 'memory',
        before: null,
      },
    ]);
    expect(json.err).toContain('dry run: nothing was written');
    expect(await new TestClient([broker.brokers]).count('gpu.labels')).toBe(0);
  });

  it('writes with --apply, once; the table follows, and so do corrections and removals', async () => {
    const lines = [
      label('GPU-a', '2026-01-01', 'memory'),
      label('GPU-a', '2026-03-01', 'thermal'),
      label('GPU-b', '2026-02-01', 'power'),
      label('GPU-c', '2026-02-02', 'other'),
    ];
    expect((await imported([...lines, 'junk'], '--apply', '--skip-refused')).status).toBe(0);
    loader = new EngineCommand(
      ['run', '--roles', 'load'],
      [
        `kafka.brokers=${broker.brokers}`,
        'kafka.partitions=3',
        `database.url=${postgres.url}`,
        'http.port=0',
        'instance=loader',
      ],
    );
    await loads([
      'GPU-a 2026-01-01 memory',
      'GPU-a 2026-03-01 thermal',
      'GPU-b 2026-02-01 power',
      'GPU-c 2026-02-02 other',
    ]);
    const again = await imported(lines, '--apply');
    expect(again).toMatchObject({ status: 0, out: [] });
    expect(again.err).toContain('0 new, 0 changed, 4 identical, 0 removed, 0 refused');
    expect(await new TestClient([broker.brokers]).count('gpu.labels')).toBe(4);

    const corrections = [
      label('GPU-a', '2026-03-01', null),
      label('GPU-b', '2026-02-01', 'interconnect'),
      label('GPU-d', '2026-02-01', null),
    ];
    const corrected = await imported(corrections, '--apply');
    expect(corrected.out).toEqual([
      'removed    GPU-a  2026-03-01T00:00:00.000Z  - (was thermal)',
      'changed    GPU-b  2026-02-01T00:00:00.000Z  interconnect (was power)',
    ]);
    await loads(['GPU-a 2026-01-01 memory', 'GPU-b 2026-02-01 interconnect', 'GPU-c 2026-02-02 other']);
    // A tombstone of a GPU takes all of its labels out.
    await new TestClient([broker.brokers]).produce('gpu.labels', [{ key: 'GPU-c', value: null }]);
    await loads(['GPU-a 2026-01-01 memory', 'GPU-b 2026-02-01 interconnect']);
  });
});
