import pg from 'pg';
import type { ScoredRows } from '../../models/evaluation/evaluate.js';
import { HORIZON_DAYS } from '../../models/survival.js';
import { DAY_MS } from '../../schema/clock.js';
import { ActuaryError, messageOf } from '../../schema/errors.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** Right after a failure a GPU may still report, and whoever mends it too: that is no prediction of anything. */
const MENDED_WITHIN_MS = DAY_MS;
const UNDEFINED_TABLE = '42P01';

export interface EvaluationPeriod {
  /** Predictions as of from here, included, to there, excluded. Epoch ms. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Of each GPU the last prediction of each such stretch counts. */
  readonly everyMs: number;
  /** Failures are all known up to here. */
  readonly labelsUntilMs: number;
}

/** Which model made a prediction. */
export interface NamedModel {
  readonly modelVersion: string;
  readonly runId: string | null;
}

export interface PastPredictions {
  readonly rows: ScoredRows;
  readonly models: readonly NamedModel[];
  /** By row: number of its model. */
  readonly model: Uint32Array;
  readonly gpus: number;
  /** Failures of these GPUs in the time that was looked at. */
  readonly labels: number;
  /** Predictions that were left out: of GPUs that had failed within the day before. */
  readonly justFailed: number;
  /** GPUs that stopped reporting while failures were still known of, and of which no failure is known. */
  readonly silentGpus: number;
}

/** What is asked of a database; times come as Date. */
export interface Session {
  query(text: string, values: unknown[]): Promise<unknown[]>;
}

interface PredictionRow {
  readonly gpu_uuid: string;
  readonly as_of: Date;
  readonly failure_prob_7d: number;
  readonly failure_prob_30d: number;
  readonly failure_prob_90d: number;
  readonly model_version: string;
  readonly run_id: string | null;
}

/**
 * Past predictions from the database, and what became of their GPUs. A GPU is watched while it reports: up to its newest
 * reading, or up to where failures are known.
 * @throws ActuaryError database_unreachable, database_failed, no_prediction
 */
export async function readPast(url: string, period: EvaluationPeriod): Promise<PastPredictions> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'gpu-actuary evaluate',
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw new ActuaryError('database_unreachable', `database: ${messageOf(error)}`, { cause: error });
  }
  try {
    return await pastOf({ query: async (text, values) => (await client.query<object>(text, values)).rows }, period);
  } catch (error) {
    if (error instanceof ActuaryError) throw error;
    const hint = (error as { code?: unknown }).code === UNDEFINED_TABLE ? ': run gpu-actuary db migrate' : '';
    throw new ActuaryError('database_failed', `database: ${messageOf(error)}${hint}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** As {@link readPast}, over an open session. @throws ActuaryError no_prediction */
export async function pastOf(session: Session, period: EvaluationPeriod): Promise<PastPredictions> {
  const { sinceMs, untilMs, everyMs, labelsUntilMs } = period;
  const failures = await failuresOf(session, sinceMs - MENDED_WITHIN_MS, labelsUntilMs);
  const lastSeen = await lastSeenOf(session, sinceMs);
  const gpus = new Map<string, number>();
  const models = new Map<string, NamedModel & { readonly number: number }>();
  const [gpu, model, failed] = [[], [], []] as number[][];
  const followedDays: number[] = [];
  const probabilities = HORIZON_DAYS.map((): number[] => []);
  let justFailed = 0;
  for (let fromMs = Math.floor(sinceMs / everyMs) * everyMs; fromMs < untilMs; fromMs += everyMs) {
    const bounds = [Math.max(fromMs, sinceMs), Math.min(fromMs + everyMs, untilMs)];
    for (const row of await lastOfStretch(session, bounds)) {
      const asOfMs = row.as_of.getTime();
      const own = failures.get(row.gpu_uuid) ?? [];
      if (own.some((failedMs) => failedMs <= asOfMs && asOfMs - failedMs < MENDED_WITHIN_MS)) {
        justFailed++;
        continue;
      }
      const next = own.find((failedMs) => failedMs > asOfMs);
      const endMs = next ?? Math.min(labelsUntilMs, lastSeen.get(row.gpu_uuid) ?? asOfMs);
      if (!gpus.has(row.gpu_uuid)) gpus.set(row.gpu_uuid, gpus.size);
      const key = `${row.model_version} ${row.run_id}`;
      if (!models.has(key))
        models.set(key, { modelVersion: row.model_version, runId: row.run_id, number: models.size });
      gpu.push(gpus.get(row.gpu_uuid)!);
      model.push(models.get(key)!.number);
      failed.push(next === undefined ? 0 : 1);
      followedDays.push(Math.max(0, endMs - asOfMs) / DAY_MS);
      [row.failure_prob_7d, row.failure_prob_30d, row.failure_prob_90d].forEach((value, column) =>
        probabilities[column].push(value),
      );
    }
  }
  if (gpu.length === 0)
    throw new ActuaryError('no_prediction', 'gpu_failure_predictions has none of that time: mind --since and --until');
  return {
    rows: {
      count: gpu.length,
      gpu: Uint32Array.from(gpu),
      followedDays: Float64Array.from(followedDays),
      failed: Uint8Array.from(failed),
      probabilities: probabilities.map((values) => Float64Array.from(values)),
    },
    models: [...models.values()].map(({ modelVersion, runId }) => ({ modelVersion, runId })),
    model: Uint32Array.from(model),
    gpus: gpus.size,
    labels: [...failures].reduce((sum, [uuid, own]) => sum + (gpus.has(uuid) ? own.length : 0), 0),
    justFailed,
    silentGpus: [...gpus.keys()].filter((uuid) => {
      const seenMs = lastSeen.get(uuid)!;
      const hasFailed = (failures.get(uuid) ?? []).some((failedMs) => failedMs > seenMs - MENDED_WITHIN_MS);
      return labelsUntilMs - seenMs > Math.max(everyMs, MENDED_WITHIN_MS) && !hasFailed;
    }).length,
  };
}

/** Times of failure by GPU, ascending. */
async function failuresOf(session: Session, fromMs: number, toMs: number): Promise<Map<string, number[]>> {
  const rows = (await session.query(
    `SELECT gpu_uuid, failed_at FROM gpu_failure_labels WHERE failed_at > $1 AND failed_at <= $2 ORDER BY failed_at`,
    [new Date(fromMs), new Date(toMs)],
  )) as { readonly gpu_uuid: string; readonly failed_at: Date }[];
  const failures = new Map<string, number[]>();
  for (const { gpu_uuid, failed_at } of rows)
    failures.set(gpu_uuid, [...(failures.get(gpu_uuid) ?? []), failed_at.getTime()]);
  return failures;
}

/** When each GPU was heard last, as far as its predictions tell. */
async function lastSeenOf(session: Session, sinceMs: number): Promise<Map<string, number>> {
  const rows = (await session.query(
    `SELECT gpu_uuid, max(newest_reading_at) AS newest FROM gpu_failure_predictions WHERE as_of >= $1 GROUP BY gpu_uuid`,
    [new Date(sinceMs)],
  )) as { readonly gpu_uuid: string; readonly newest: Date }[];
  return new Map(rows.map(({ gpu_uuid, newest }) => [gpu_uuid, newest.getTime()]));
}

/** What was last said of each GPU in a stretch of time: how often the engine spoke weighs nothing. */
async function lastOfStretch(session: Session, [fromMs, toMs]: number[]): Promise<PredictionRow[]> {
  return (await session.query(
    `SELECT DISTINCT ON (gpu_uuid)
       gpu_uuid, as_of, failure_prob_7d, failure_prob_30d, failure_prob_90d, model_version, run_id
     FROM gpu_failure_predictions
     WHERE as_of >= $1 AND as_of < $2
     ORDER BY gpu_uuid, as_of DESC, emitted_at DESC`,
    [new Date(fromMs), new Date(toMs)],
  )) as PredictionRow[];
}
