import type { FastifyPluginCallbackTypebox, TSchema } from '@fastify/type-provider-typebox';
import type { Clock } from '../../schema/clock.js';
import type { ErrorCode } from '../../schema/errors.js';
import { factorInWords } from '../../models/explain/words.js';
import { toJson, type AssetRecord, type PredictionRecord } from '../../schema/records.js';
import {
  DecisionBody,
  ErrorBody,
  FeaturesBody,
  GpuParams,
  HealthBody,
  NoQuery,
  PredictionBody,
} from '../api-schemas.js';
import { HttpError } from '../errors.js';
import type { FleetView } from '../fleet-view.js';
import { modelOf, type GpuState, type LatestKind } from '../gpu-state.js';

export interface RecordsOptions {
  readonly view: FleetView;
  /** Whether the valuation profile in force has a price of a model; null: the model is unknown. */
  readonly isPriced: (model: string | null) => boolean;
  /** Failure odds of a GPU of which no telemetry is known, from its asset record. */
  readonly baseline: (asset: AssetRecord, asOfMs: number) => object;
  readonly clock: Clock;
}

const ROUTES: readonly { readonly kind: LatestKind; readonly summary: string; readonly body: TSchema }[] = [
  { kind: 'features', summary: 'Features of a GPU over its seven-day window', body: FeaturesBody },
  { kind: 'predictions', summary: 'Odds of failure of a GPU within 7, 30 and 90 days', body: PredictionBody },
  { kind: 'health', summary: 'Health of a GPU, with what took it down', body: HealthBody },
  { kind: 'decisions', summary: 'The recommended option for a GPU and what all four are worth', body: DecisionBody },
];

/** The latest record of a GPU, as it stands in its topic; a prediction of a GPU without telemetry is made at once. */
export const recordRoutes: FastifyPluginCallbackTypebox<RecordsOptions> = (app, options, done) => {
  const { view, isPriced, baseline, clock } = options;
  for (const { kind, summary, body } of ROUTES)
    app.get(
      `/${kind}/:gpu_uuid`,
      {
        schema: {
          tags: ['gpus'],
          summary,
          params: GpuParams,
          querystring: NoQuery,
          response: { 200: body, 400: ErrorBody, 404: ErrorBody },
        },
      },
      (request, reply) => {
        const state = knownGpu(view, request.params.gpu_uuid);
        const record = state[kind];
        if (record === null && kind === 'predictions' && state.asset !== null)
          return reply.send(toJson(baseline(state.asset, clock.now())));
        if (record === null) throw missing(state, kind, isPriced);
        return reply.send(inWords(toJson(record)));
      },
    );
  done();
};

/** Factors are told in words too, for people who do not know features by name. */
function inWords(record: Record<string, unknown>): Record<string, unknown> {
  const factors = record.top_factors as PredictionRecord['top_factors'] | undefined;
  if (factors === undefined || factors === null) return record;
  return { ...record, top_factors: factors.map((factor) => ({ ...factor, words: factorInWords(factor) })) };
}

const WHERE_UUIDS_ARE =
  '/gpus lists the GPUs that are known, by the UUIDs of their telemetry, mostly such as GPU-6c3e46cb-12ab-…';

/** @throws HttpError 404 unknown_gpu */
export function knownGpu(view: FleetView, gpuUuid: string): Readonly<GpuState> {
  const state = view.get(gpuUuid);
  if (state === undefined)
    throw new HttpError(404, 'unknown_gpu', `nothing is known of ${gpuUuid}: ${WHERE_UUIDS_ARE}`);
  return state;
}

function missing(state: Readonly<GpuState>, kind: LatestKind, isPriced: RecordsOptions['isPriced']): HttpError {
  const of = (code: ErrorCode, message: string): HttpError => new HttpError(404, code, message);
  if (kind === 'features') return of('no_features', 'no features yet: they come with the first reading');
  if (kind === 'predictions')
    return of('no_prediction', 'no prediction yet: it comes with the first reading, or with an asset record');
  if (kind === 'health') return of('no_health', 'no health yet: it comes with the first reading');
  // A decision needs a grade and a price; whichever is missing first is why there is none.
  if (state.health === null || state.health.grade === null)
    return of('no_health', 'no decision without health: the evidence covers too few dimensions, or none came yet');
  const model = modelOf(state);
  if (!isPriced(model))
    return of('no_price', `no decision without a price: there is none of ${model ?? 'its model, which is unknown'}`);
  return of('no_decision', 'no decision yet: it comes at midnight UTC or when the grade changes');
}
