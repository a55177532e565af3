import { FEATURES } from '../../schema/features.js';
import type { TopicKey } from '../../schema/topics.js';

/** A value on its way into a column; NaN and undefined are NULL there. */
export type Cell = string | number | null | undefined;

/** A table that is filled by COPY: its columns, and how a record becomes a row of it. */
export interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly row: (record: never) => Cell[];
}

type AnyRecord = Record<string, unknown>;
const TIMES = new Set(['as_of', 'newest_reading_at', 'emitted_at', 'failed_at']);

/** A time that is none is left for the database to refuse, with its row and no other. */
function timestamp(epochMs: number): string {
  const time = new Date(epochMs);
  return Number.isNaN(time.getTime()) ? `no time: ${epochMs}` : time.toISOString();
}

function cell(column: string, value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number') return TIMES.has(column) ? timestamp(value) : value;
  if (typeof value === 'string') return value;
  return JSON.stringify(value);
}

/** A table whose columns are the record's fields of the same names. */
function plain(name: string, columns: readonly string[]): Table {
  return { name, columns, row: (record: AnyRecord) => columns.map((column) => cell(column, record[column])) };
}

const HEAD = ['gpu_uuid', 'as_of', 'newest_reading_at', 'trigger'];
const TAIL = ['emitted_at', 'instance'];
const FEATURE_COLUMNS = FEATURES.filter(({ set }) => set !== 'internal').map(({ name }) => name);
const FEATURE_HEAD = [...HEAD, 'feature_set'];

/** Where the records of a topic go. */
export const OUTPUT_TABLES = {
  features: {
    name: 'gpu_features',
    columns: [...FEATURE_HEAD, ...FEATURE_COLUMNS, ...TAIL],
    row: (record: AnyRecord & { features: AnyRecord }) => [
      ...FEATURE_HEAD.map((column) => cell(column, record[column])),
      ...FEATURE_COLUMNS.map((column) => cell(column, record.features[column])),
      ...TAIL.map((column) => cell(column, record[column])),
    ],
  },
  predictions: plain('gpu_failure_predictions', [
    ...HEAD,
    'model',
    'host',
    'failure_prob_7d',
    'failure_prob_30d',
    'failure_prob_90d',
    'predicted_failure_type',
    'failure_type_prob',
    'estimated_ttf_days',
    'coverage',
    'confidence',
    'model_version',
    'run_id',
    'feature_set',
    'top_factors',
    ...TAIL,
  ]),
  health: plain('gpu_health_scores', [...HEAD, 'score', 'grade', 'coverage', 'dimensions', 'deductions', ...TAIL]),
  decisions: plain('gpu_economic_decisions', [
    ...HEAD,
    'decision',
    'expected_value',
    'npv_keep',
    'npv_sell',
    'npv_repurpose',
    'salvage_value',
    'confidence',
    'robustness',
    'rationale',
    'profile',
    ...TAIL,
  ]),
  alerts: plain('gpu_alerts', ['alert', 'subject', 'gpu_uuid', 'state', 'as_of', 'detail']),
  assets: plain('gpu_assets', [
    'gpu_uuid',
    'model',
    'deployment_date',
    'purchase_date',
    'warranty_end',
    'operating_hours',
    'operating_hours_at',
    'batch',
    'cage',
    'rack',
    'slot',
  ]),
  labels: plain('gpu_failure_labels', ['gpu_uuid', 'failed_at', 'type']),
} as const satisfies Partial<Record<TopicKey, Table>>;

export type LoadedTopic = keyof typeof OUTPUT_TABLES;

/** Tables that hold one row a key: a repeated record replaces its row, by these columns. */
export const UPSERT_KEYS: Readonly<Record<string, readonly string[]>> = {
  gpu_assets: ['gpu_uuid'],
  gpu_failure_labels: ['gpu_uuid', 'failed_at'],
};

/** One line of COPY's text format. */
export function copyLine(cells: readonly Cell[]): string {
  let line = '';
  for (let i = 0; i < cells.length; i++) {
    const value = cells[i];
    if (i > 0) line += '\t';
    if (value === null || value === undefined || value !== value) line += '\\N';
    else if (typeof value === 'number') line += value;
    else line += NEEDS_ESCAPE.test(value) ? value.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character]) : value;
  }
  return line + '\n';
}

const NEEDS_ESCAPE = /[\\\t\n\r]/;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };
