import pg from 'pg';
import type { History, HistoryPoint } from '../serving/history.js';

const TIMEOUT_MS = 5_000;
const CONNECTIONS = 4;

/** Temperature and power of a GPU over time, from gpu_metrics. */
export class DatabaseHistory implements History {
  private readonly pool: pg.Pool;

  constructor(url: string) {
    this.pool = new pg.Pool({
      connectionString: url,
      max: CONNECTIONS,
      application_name: 'gpu-actuary serve',
      connectionTimeoutMillis: TIMEOUT_MS,
      statement_timeout: TIMEOUT_MS,
    });
    // An idle connection that breaks is replaced at the next question.
    this.pool.on('error', () => undefined);
  }

  async read(gpuUuid: string, fromMs: number, toMs: number, bucketMs: number): Promise<readonly HistoryPoint[]> {
    const { rows } = await this.pool.query<{ bucket: string; gpu_temp: number | null; power_usage: number | null }>(
      `SELECT floor(extract(epoch FROM as_of) * 1000 / $4) * $4 AS bucket, avg(gpu_temp) AS gpu_temp, avg(power_usage) AS power_usage
       FROM gpu_metrics
       WHERE gpu_uuid = $1 AND as_of >= to_timestamp($2::double precision / 1000) AND as_of < to_timestamp($3::double precision / 1000)
       GROUP BY bucket ORDER BY bucket`,
      [gpuUuid, fromMs, toMs, bucketMs],
    );
    return rows.map(({ bucket, gpu_temp, power_usage }) => ({
      atMs: Number(bucket),
      gpuTemp: gpu_temp,
      powerUsage: power_usage,
    }));
  }

  close(): Promise<void> {
    return this.pool.end();
  }
}
