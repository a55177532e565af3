import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { FEATURES } from '../../schema/features.js';
import { DECISIONS, FAILURE_TYPES, GRADES } from '../../schema/records.js';
import {
  CatalogueBody,
  ErrorBody,
  FleetBody,
  GpuParams,
  GpusBody,
  GpusQuery,
  NoQuery,
  SummaryBody,
} from '../api-schemas.js';
import { HttpError } from '../errors.js';
import { formatCursor, ORDERS, parseCursor, SORTS } from '../fleet-order.js';
import { AT_RISK, RISK_BANDS, totalsJson } from '../fleet-totals.js';
import type { FleetView } from '../fleet-view.js';
import { summaryOf } from '../gpu-state.js';
import { knownGpu } from './records.js';

const CATALOGUE = {
  features: FEATURES.filter(({ set }) => set !== 'internal').map(({ name, unit, set, description }) => ({
    name,
    unit,
    set,
    description,
  })),
  grades: [...GRADES],
  decisions: [...DECISIONS],
  failure_types: [...FAILURE_TYPES],
  risk_bands: [...RISK_BANDS],
  at_risk: AT_RISK,
};

/** The fleet as a list and in figures, and the vocabulary of both. */
export const fleetRoutes: FastifyPluginCallbackTypebox<{ view: FleetView }> = (app, { view }, done) => {
  app.get(
    '/gpus',
    {
      schema: {
        tags: ['fleet'],
        summary: 'All GPUs, by risk or by value, in pages',
        querystring: GpusQuery,
        response: { 200: GpusBody, 400: ErrorBody },
      },
    },
    (request) => {
      const { limit, cursor } = request.query;
      const sort = SORTS.find((name) => name === request.query.sort) ?? 'risk';
      const order = ORDERS.find((name) => name === request.query.order) ?? 'desc';
      const after = cursor === undefined ? null : parseCursor(cursor, sort, order);
      if (cursor !== undefined && after === null)
        throw new HttpError(400, 'bad_request', 'cursor is not the `next` of a page of this sort and order');
      const { states, next } = view.page(sort, order, after, limit);
      return { items: states.map(summaryOf), next: next === null ? null : formatCursor(next, sort, order) };
    },
  );

  app.get(
    '/gpus/:gpu_uuid',
    {
      schema: {
        tags: ['gpus'],
        summary: 'A GPU as the list has it',
        params: GpuParams,
        querystring: NoQuery,
        response: { 200: SummaryBody, 400: ErrorBody, 404: ErrorBody },
      },
    },
    (request) => summaryOf(knownGpu(view, request.params.gpu_uuid)),
  );

  app.get(
    '/fleet',
    {
      schema: {
        tags: ['fleet'],
        summary: 'The fleet in figures',
        querystring: NoQuery,
        response: { 200: FleetBody, 400: ErrorBody },
      },
    },
    () => totalsJson(view.totals()),
  );

  app.get(
    '/catalogue',
    {
      schema: {
        tags: ['fleet'],
        summary: 'Features with units and meanings, and the values that grades, decisions and types take',
        querystring: NoQuery,
        response: { 200: CatalogueBody, 400: ErrorBody },
      },
    },
    () => CATALOGUE,
  );
  done();
};
