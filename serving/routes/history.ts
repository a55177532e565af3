import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { DAY_MS, HOUR_MS, MINUTE_MS, type Clock } from '../../schema/clock.js';
import { messageOf } from '../../schema/errors.js';
import { isoTime } from '../../schema/records.js';
import { ErrorBody, GpuParams, HistoryBody, HistoryQuery } from '../api-schemas.js';
import type { ServerLog } from '../errors.js';
import type { FleetView } from '../fleet-view.js';
import { newestReadingAt } from '../gpu-state.js';
import type { History, HistoryPoint } from '../history.js';
import { knownGpu } from './records.js';

export interface HistoryOptions {
  readonly view: FleetView;
  /** Null where there is no database. */
  readonly history: History | null;
  readonly clock: Clock;
  readonly log: ServerLog;
}

const BUCKETS_MS = [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS];
/** About as many points as a chart has pixels. */
const MAX_POINTS = 720;

/** Readings go on while the newest record is still that of a while ago (features.everyMs, 15 min by default). */
const RECORD_LAG_MS = HOUR_MS;

/** The shortest bucket of which a span holds no more than {@link MAX_POINTS}. */
export function bucketMsFor(spanMs: number): number {
  return BUCKETS_MS.find((bucketMs) => spanMs / bucketMs <= MAX_POINTS) ?? DAY_MS;
}

/** Temperature and power of a GPU over time. */
export const historyRoutes: FastifyPluginCallbackTypebox<HistoryOptions> = (app, options, done) => {
  const { view, history, clock, log } = options;
  app.get(
    '/gpus/:gpu_uuid/history',
    {
      schema: {
        tags: ['gpus'],
        summary: 'Temperature and power of a GPU up to its newest reading; `source` says where from',
        params: GpuParams,
        querystring: HistoryQuery,
        response: { 200: HistoryBody, 400: ErrorBody, 404: ErrorBody },
      },
    },
    async (request, reply) => {
      const { gpu_uuid } = request.params;
      const { hours } = request.query;
      const state = knownGpu(view, gpu_uuid);
      const answer = (source: 'database' | 'panes', bucketMs: number, points: readonly HistoryPoint[]) =>
        reply.send({
          gpu_uuid,
          source,
          bucket_seconds: bucketMs / 1000,
          points: points.map(({ atMs, gpuTemp, powerUsage }) => ({
            at: isoTime(atMs),
            gpu_temp: gpuTemp,
            power_usage: powerUsage,
          })),
        });
      if (history !== null) {
        const bucketMs = bucketMsFor(hours * HOUR_MS);
        const newestMs = newestReadingAt(state) ?? clock.now();
        const fromMs = Math.ceil((newestMs - hours * HOUR_MS) / bucketMs) * bucketMs;
        const points = await read(history, gpu_uuid, fromMs, newestMs + RECORD_LAG_MS, bucketMs, log);
        if (points !== null) return answer('database', bucketMs, newestOf(points, hours * HOUR_MS, bucketMs));
      }
      const means = state.history?.newest(hours) ?? [];
      return answer(
        'panes',
        HOUR_MS,
        means.map(({ hourStartMs, ...values }) => ({ atMs: hourStartMs, ...values })),
      );
    },
  );
  done();
};

/** The points of a span that ends with the newest: the database has readings that no record knows of yet. */
function newestOf(points: readonly HistoryPoint[], spanMs: number, bucketMs: number): readonly HistoryPoint[] {
  const endMs = (points.at(-1)?.atMs ?? 0) + bucketMs;
  return points.filter(({ atMs }) => atMs >= endMs - spanMs);
}

/** @returns null where the database failed: a chart by the hour is better than none, and its `source` tells */
async function read(
  history: History,
  gpuUuid: string,
  fromMs: number,
  toMs: number,
  bucketMs: number,
  log: ServerLog,
): Promise<readonly HistoryPoint[] | null> {
  try {
    return await history.read(gpuUuid, fromMs, toMs, bucketMs);
  } catch (error) {
    log.warn({ gpuUuid, detail: messageOf(error) }, 'history from the database failed; answering from hourly panes');
    return null;
  }
}
