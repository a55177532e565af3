import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { besideNeighbours } from '../../schema/neighbours.js';
import { isoTime, type AlertRecord } from '../../schema/records.js';
import type { AlertView } from '../alert-view.js';
import { AlertsBody, AlertsQuery, ErrorBody, GpuParams, NeighboursBody, NoQuery } from '../api-schemas.js';
import type { FleetView } from '../fleet-view.js';
import { knownGpu } from './records.js';

/** Alerts, and a GPU beside the others of its host. */
export const alertRoutes: FastifyPluginCallbackTypebox<{ alerts: AlertView; view: FleetView }> = (
  app,
  { alerts, view },
  done,
) => {
  app.get(
    '/alerts',
    {
      schema: {
        tags: ['fleet'],
        summary: 'Alerts, newest first: those that fire, or the last word on each',
        querystring: AlertsQuery,
        response: { 200: AlertsBody, 400: ErrorBody },
      },
    },
    ({ query: { state, gpu_uuid, limit } }) => ({
      items: alerts
        .list(state === 'all' ? null : (state as AlertRecord['state']), gpu_uuid ?? null, limit)
        .map((alert) => ({ ...alert, as_of: isoTime(alert.as_of) })),
    }),
  );
  app.get(
    '/gpus/:gpu_uuid/neighbours',
    {
      schema: {
        tags: ['gpus'],
        summary:
          'Temperature of a GPU beside the other GPUs of its host; nulls where there are too few to compare with',
        params: GpuParams,
        querystring: NoQuery,
        response: { 200: NeighboursBody, 400: ErrorBody, 404: ErrorBody },
      },
    },
    ({ params: { gpu_uuid } }) => {
      const state = knownGpu(view, gpu_uuid);
      const beside = state.features === null ? null : besideNeighbours(state.features, view.neighboursOf(state));
      return {
        gpu_uuid,
        host: state.host,
        celsius: beside?.celsius ?? null,
        above_celsius: beside?.aboveCelsius ?? null,
        others: beside?.others ?? 0,
      };
    },
  );
  done();
};
