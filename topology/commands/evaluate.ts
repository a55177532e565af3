import { Command, Option } from 'commander';
import { evaluate, type Figure, type HorizonReport, type ScoredRows } from '../../models/evaluation/evaluate.js';
import type { Metric } from '../../models/evaluation/weighted.js';
import { HORIZON_DAYS } from '../../models/survival.js';
import { DAY_MS, systemClock } from '../../schema/clock.js';
import { ActuaryError } from '../../schema/errors.js';
import { isoTime } from '../../schema/records.js';
import { Random } from '../../simulator/random.js';
import { readPast, type EvaluationPeriod, type PastPredictions } from '../evaluation/rows.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';
import { numberOf } from './numbers.js';
import { sinceOf, spanOf, timeOf } from './times.js';

/** As the training report has it. */
const DRAWS = 100;
const SEED = 7;
const SHOWN: readonly (readonly [Metric, string])[] = [
  ['base_rate', 'failure rate'],
  ['auc', 'AUC'],
  ['average_precision', 'average precision'],
  ['recall_at_1_percent', 'recall in the riskiest 1 %'],
  ['precision_at_1_percent', 'precision in the riskiest 1 %'],
  ['recall_at_5_percent', 'recall in the riskiest 5 %'],
  ['precision_at_5_percent', 'precision in the riskiest 5 %'],
  ['brier', 'Brier score'],
  ['brier_skill', 'Brier skill'],
  ['calibration_slope', 'calibration slope'],
  ['mean_over_base_rate', 'mean / failure rate'],
];
const REASONS = {
  no_failure: 'nobody failed within it, so there is nothing to measure',
  not_followed: 'nobody was watched for so long yet',
} as const;

interface Options extends ConfigurationOptions {
  since: number;
  until?: number;
  labelsUntil?: number;
  every: number;
  draws: number;
  json?: boolean;
}

export function evaluateCommand(context: CommandContext): Command {
  return configurable(new Command('evaluate'))
    .requiredOption(
      '--since <time>',
      'predictions as of from then on: 90d, 12h, or an ISO 8601 time',
      sinceOf('--since'),
    )
    .option('--until <time>', 'predictions as of before; now if left out', timeOf('--until'))
    .option('--labels-until <time>', 'failures are all known up to then; now if left out', timeOf('--labels-until'))
    .addOption(
      new Option('--every <span>', 'of each GPU the last prediction of each such span counts')
        .argParser(spanOf('--every'))
        .default(DAY_MS, '1d'),
    )
    .option(
      '--draws <count>',
      'resamplings of GPUs that intervals are made of',
      (text) => numberOf('--draws', text, { whole: true, least: 1, most: 99_999 }),
      DRAWS,
    )
    .option('--json', 'print one JSON object')
    .action(async (options: Options) => {
      const { url } = configurationOf(context, options).database;
      if (url === null) throw new ActuaryError('usage', 'no database is configured: set database.url');
      const nowMs = systemClock.now();
      const { since: sinceMs, until: untilMs = nowMs, labelsUntil: labelsUntilMs = nowMs, every: everyMs } = options;
      if (untilMs <= sinceMs) throw new ActuaryError('usage', '--until has to be later than --since');
      const period = { sinceMs, untilMs, everyMs, labelsUntilMs };
      const past = await readPast(url, period);
      const report = reportOf(period, past, options.draws);
      writeLine(context.stdout, options.json ? JSON.stringify(report) : textOf(report));
    });
}

interface Report {
  readonly since: string;
  readonly until: string;
  readonly labels_until: string;
  readonly every_ms: number;
  readonly gpus: number;
  readonly predictions: number;
  readonly just_failed: number;
  readonly silent_gpus: number;
  readonly labels: number;
  readonly horizons: readonly HorizonReport[];
  /** The same by model, where there was more than one. */
  readonly models: readonly {
    readonly model_version: string;
    readonly run_id: string | null;
    readonly predictions: number;
    readonly horizons: readonly HorizonReport[];
  }[];
}

function reportOf(
  { sinceMs, untilMs, everyMs, labelsUntilMs }: EvaluationPeriod,
  past: PastPredictions,
  draws: number,
): Report {
  const { rows, models, model, gpus, labels, justFailed, silentGpus } = past;
  const judged = (of: ScoredRows): HorizonReport[] => {
    const random = new Random(SEED, 'evaluate');
    return evaluate(of, HORIZON_DAYS, draws, () => random.uniform());
  };
  return {
    ...{ since: isoTime(sinceMs), until: isoTime(untilMs), labels_until: isoTime(labelsUntilMs), every_ms: everyMs },
    ...{ gpus, predictions: rows.count, just_failed: justFailed, silent_gpus: silentGpus, labels },
    horizons: judged(rows),
    models: (models.length > 1 ? models : []).map(({ modelVersion, runId }, number) => {
      const own = only(rows, (row) => model[row] === number);
      return { model_version: modelVersion, run_id: runId, predictions: own.count, horizons: judged(own) };
    }),
  };
}

function only(
  { count, gpu, followedDays, failed, probabilities }: ScoredRows,
  chosen: (row: number) => boolean,
): ScoredRows {
  const rows = Array.from({ length: count }, (_, row) => row).filter(chosen);
  return {
    count: rows.length,
    gpu: Uint32Array.from(rows, (row) => gpu[row]),
    followedDays: Float64Array.from(rows, (row) => followedDays[row]),
    failed: Uint8Array.from(rows, (row) => failed[row]),
    probabilities: probabilities.map((values) => Float64Array.from(rows, (row) => values[row])),
  };
}

function textOf(report: Report): string {
  const lines = [
    `${report.predictions} predictions of ${report.gpus} GPUs, as of ${report.since} to ${report.until}, against ${report.labels} failures known up to ${report.labels_until}`,
  ];
  if (report.just_failed > 0)
    lines.push(`${report.just_failed} more are left out: their GPUs had failed within the day before`);
  if (report.silent_gpus > 0)
    lines.push(
      `${report.silent_gpus} of the GPUs stopped reporting, and no failure of them is known: supposed to have nothing to do with failing; label those that failed`,
    );
  lines.push(...report.horizons.flatMap(horizonLines));
  for (const { model_version: version, run_id: run, predictions, horizons } of report.models)
    lines.push(
      '',
      `${version}, run ${run ?? 'not known'}: ${predictions} predictions`,
      ...horizons.flatMap(horizonLines),
    );
  return lines.join('\n');
}

function horizonLines({
  horizon_days: days,
  known_rows: known,
  failing_rows: failing,
  censored_rows: censored,
  metrics,
  reason,
}: HorizonReport): string[] {
  const head = ['', `${days} days: ${failing} of ${known} fail; ${censored} more went out of sight before`];
  if (metrics === null) return [...head, `  ${REASONS[reason!]}`];
  return [...head, ...SHOWN.map(([metric, name]) => `  ${name.padEnd(30)} ${figureText(metrics[metric])}`)];
}

function figureText({ value, low, high }: Figure): string {
  const shown = (figure: number | null): string => (figure === null ? '-' : figure.toPrecision(4));
  return `${shown(value)}  (${shown(low)} to ${shown(high)})`;
}
