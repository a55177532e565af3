import { Type, type TSchema } from '@fastify/type-provider-typebox';
import { DECISIONS, DIMENSIONS, FAILURE_TYPES, GRADES, TRIGGERS } from '../schema/records.js';
import { ORDERS, SORTS } from './fleet-order.js';

/**
 * Shapes of the API: what requests may hold, which is enforced, and what answers hold, which /openapi.json tells and
 * the tests hold the answers against. Records gain fields over time, so their shapes stay open.
 */

const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const oneOf = (values: readonly string[], description?: string) => Type.Enum([...values], { description });
const time = (description: string) => Type.String({ format: 'date-time', description: `${description}, ISO 8601 UTC` });
const probability = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });

export const ErrorBody = Type.Object(
  {
    code: Type.String({ description: 'Stable code, for programs' }),
    message: Type.String({ description: 'What happened, for people' }),
  },
  { description: 'Every error' },
);

/** Of what takes no parameter: one that is given is refused, as everywhere in the API. */
export const NoQuery = Type.Object({}, { additionalProperties: false });

export const GpuParams = Type.Object(
  { gpu_uuid: Type.String({ pattern: '^[A-Za-z0-9._:-]{1,128}$', description: 'UUID of the GPU as DCGM gives it' }) },
  { additionalProperties: false },
);

const outputFields = {
  gpu_uuid: Type.String(),
  as_of: time('Event time the record holds for'),
  newest_reading_at: time('Event time of the newest accepted reading'),
  trigger: oneOf(TRIGGERS, 'Why the record was emitted'),
  emitted_at: time('Wall clock of the instance that emitted it'),
  instance: Type.String(),
};

export const FeaturesBody = Type.Object({
  ...outputFields,
  feature_set: Type.String(),
  features: Type.Record(Type.String(), nullable(Type.Number()), {
    description: 'By name, see /catalogue; null where there is nothing to compute from',
  }),
});

export const PredictionBody = Type.Object({
  ...outputFields,
  newest_reading_at: nullable(time('Event time of the newest accepted reading; null of a GPU without telemetry')),
  model: nullable(Type.String({ description: 'Model of the GPU' })),
  host: nullable(Type.String({ description: 'Host of the GPU' })),
  failure_prob_7d: probability('Probability of failure within 7 days'),
  failure_prob_30d: probability('Probability of failure within 30 days'),
  failure_prob_90d: probability('Probability of failure within 90 days'),
  predicted_failure_type: nullable(oneOf(FAILURE_TYPES)),
  failure_type_prob: nullable(probability('Probability of that type given a failure')),
  estimated_ttf_days: nullable(Type.Number({ description: 'Median time to failure; null beyond 365 days' })),
  coverage: probability('Share of the evidence that is there'),
  confidence: probability('Confidence in the 30-day probability'),
  model_version: Type.String(),
  run_id: nullable(Type.String({ description: 'Training run that made the model; null where that is not known' })),
  feature_set: Type.String(),
  top_factors: nullable(
    Type.Array(
      Type.Object({
        feature: Type.String(),
        value: nullable(Type.Number()),
        contribution: Type.Number({ description: 'To the 30-day risk, in log-odds' }),
        words: Type.Optional(Type.String({ description: 'The factor in words' })),
      }),
    ),
  ),
});

export const HealthBody = Type.Object({
  ...outputFields,
  score: nullable(Type.Number({ minimum: 0, maximum: 100, description: 'Null below a coverage of 0.5' })),
  grade: nullable(oneOf(GRADES)),
  coverage: probability('Weight of the dimensions with evidence'),
  dimensions: Type.Object(Object.fromEntries(DIMENSIONS.map((name) => [name, nullable(Type.Number())]))),
  deductions: Type.Array(Type.Object({ factor: Type.String(), points: Type.Number(), evidence: Type.String() })),
});

export const DecisionBody = Type.Object({
  ...outputFields,
  decision: oneOf(DECISIONS, 'The option with the greatest net present value'),
  expected_value: Type.Number({ description: 'Net present value of that option, USD' }),
  npv_keep: Type.Number({ description: 'USD' }),
  npv_sell: Type.Number({ description: 'USD' }),
  npv_repurpose: Type.Number({ description: 'USD' }),
  salvage_value: Type.Number({ description: 'Value of decommissioning, USD' }),
  confidence: probability('0.5 where the two best options are worth the same'),
  robustness: nullable(probability('Share of drawn price worlds in which the option stays best')),
  rationale: Type.String(),
  profile: Type.String(),
});

export const SummaryBody = Type.Object({
  gpu_uuid: Type.String(),
  model: nullable(Type.String()),
  host: nullable(Type.String()),
  failure_prob_30d: nullable(Type.Number()),
  predicted_failure_type: nullable(oneOf(FAILURE_TYPES)),
  score: nullable(Type.Number()),
  grade: nullable(oneOf(GRADES)),
  decision: nullable(oneOf(DECISIONS)),
  expected_value: nullable(Type.Number()),
  newest_reading_at: nullable(time('Event time of the newest reading')),
  coverage: nullable(Type.Number()),
});

export const GpusQuery = Type.Object(
  {
    sort: oneOf(SORTS, 'risk: failure_prob_30d; value: expected_value'),
    order: oneOf(ORDERS, 'GPUs without the figure come last either way'),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'GPUs a page' }),
    cursor: Type.Optional(Type.String({ maxLength: 1024, description: '`next` of the page before' })),
  },
  { additionalProperties: false },
);
Object.assign(GpusQuery.properties.sort, { default: 'risk' });
Object.assign(GpusQuery.properties.order, { default: 'desc' });

export const GpusBody = Type.Object({
  items: Type.Array(SummaryBody),
  next: nullable(Type.String({ description: 'cursor of the next page; null on the last one' })),
});

const counts = (description: string) => Type.Record(Type.String(), Type.Integer(), { description });

export const FleetBody = Type.Object({
  gpus: Type.Integer(),
  predicted: Type.Integer({ description: 'GPUs with a prediction' }),
  by_grade: counts('GPUs by grade; none: not graded'),
  by_decision: counts('GPUs by recommended decision; none: no decision'),
  expected_failures: Type.Object(
    { '7d': Type.Number(), '30d': Type.Number(), '90d': Type.Number() },
    { description: 'Sums of the probabilities' },
  ),
  at_least: counts('GPUs whose failure_prob_30d is at least the bound'),
  expected_value: Type.Number({ description: 'Sum over the GPUs with a decision, USD' }),
  newest_reading_at: nullable(time('Event time of the newest reading of any GPU')),
});

/** A year: what the database keeps of most things. */
const MAX_HISTORY_HOURS = 8784;

export const HistoryQuery = Type.Object(
  {
    hours: Type.Integer({
      minimum: 1,
      maximum: MAX_HISTORY_HOURS,
      default: 168,
      description: 'Length of the history; the hourly panes hold 168',
    }),
  },
  { additionalProperties: false },
);

export const HistoryBody = Type.Object({
  gpu_uuid: Type.String(),
  source: oneOf(
    ['database', 'panes'],
    'Where the figures come from: minutes in the database, or closed hours in memory',
  ),
  bucket_seconds: Type.Integer({ description: 'Length of time that a point is the mean of' }),
  points: Type.Array(
    Type.Object({
      at: time('Start of the bucket'),
      gpu_temp: nullable(Type.Number({ description: '°C' })),
      power_usage: nullable(Type.Number({ description: 'W' })),
    }),
  ),
});

export const CatalogueBody = Type.Object({
  features: Type.Array(
    Type.Object({ name: Type.String(), unit: Type.String(), set: Type.String(), description: Type.String() }),
  ),
  grades: Type.Array(Type.String()),
  decisions: Type.Array(Type.String()),
  failure_types: Type.Array(Type.String()),
  risk_bands: Type.Array(Type.Number()),
  at_risk: Type.Number({ description: 'failure_prob_30d from which the page calls a GPU at risk' }),
});

export const AlertsQuery = Type.Object(
  {
    state: oneOf(['firing', 'resolved', 'all'], 'all: the last word on each alert'),
    gpu_uuid: Type.Optional(GpuParams.properties.gpu_uuid),
    limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 1_000 }),
  },
  { additionalProperties: false },
);
Object.assign(AlertsQuery.properties.state, { default: 'firing' });

export const AlertsBody = Type.Object({
  items: Type.Array(
    Type.Object({
      alert: Type.String({ description: 'Name of the rule, see docs/alerts.md' }),
      subject: Type.String({ description: 'GPU, host or topic' }),
      gpu_uuid: nullable(Type.String()),
      state: oneOf(['firing', 'resolved']),
      as_of: time('Event time it holds from'),
      detail: Type.String(),
    }),
  ),
});

export const NeighboursBody = Type.Object({
  gpu_uuid: Type.String(),
  host: nullable(Type.String()),
  celsius: nullable(Type.Number({ description: 'Mean temperature of the last 24 h, °C' })),
  above_celsius: nullable(Type.Number({ description: "Less the median of the host's other GPUs, °C" })),
  others: Type.Integer({ description: 'Other GPUs of the host that it is compared with' }),
});
