import { featureIndex, FEATURES } from '../schema/features.js';
import { GPU_MODELS, gpuModelFamily, type GpuModel } from '../schema/gpu-models.js';
import { DIMENSIONS, GRADES, type Deduction, type Dimension, type Grade } from '../schema/records.js';
import {
  DEFAULT_LIMITS,
  DIMENSION_WEIGHTS,
  HEALTH_RULES,
  MIN_COVERAGE,
  MODEL_LIMITS,
  type HealthRule,
  type ModelLimits,
} from './health-rules.js';

/** Health of one GPU from its feature row: a score of 0–100 in five dimensions, and what it was taken down by. */

export interface HealthAssessment {
  /** 0–100; null where coverage is below the least (MIN_COVERAGE). */
  readonly score: number | null;
  /** Sum of the weights of the dimensions with evidence, 0–1. */
  readonly coverage: number;
  /** 0–100 each; null without evidence. */
  readonly dimensions: Record<Dimension, number | null>;
  /** The largest deductions by their effect on the score, at most {@link MAX_DEDUCTIONS}; points are the dimension's. */
  readonly deductions: Deduction[];
}

export interface HealthOptions {
  /** Limits that replace those of MODEL_LIMITS, by model. */
  readonly limits?: Readonly<Partial<Record<GpuModel, Partial<ModelLimits>>>>;
  /** Thresholds and points that replace those of HEALTH_RULES, by factor. */
  readonly rules?: Readonly<
    Record<string, Partial<Pick<HealthRule, 'from' | 'to' | 'pointsAtFrom' | 'pointsAtTo'>> | undefined>
  >;
}

/** Most deductions that an assessment names. */
export const MAX_DEDUCTIONS = 5;

/** Lower bounds of the grades, best first; the last has none. */
const LOWER_BOUNDS: readonly number[] = [90, 80, 70, 60, 50, -Infinity];
/** A grade holds until the score is this far past its bound, so that a score on a bound does not flicker. */
const GRADE_MARGIN = 1;

/** Grade of a score by the bounds alone. */
export function gradeOf(score: number): Grade {
  return GRADES[LOWER_BOUNDS.findIndex((bound) => score >= bound)] ?? 'critical';
}

/**
 * Grade in force after a new score: another than before only if the score is a point past the bound between them.
 * @param previous grade that was in force; null where there was none
 * @param score null where there is none, and then there is no grade
 */
export function nextGrade(previous: Grade | null, score: number | null): Grade | null {
  if (score === null || Number.isNaN(score)) return null;
  if (previous === null) return gradeOf(score);
  let grade = GRADES.indexOf(previous);
  while (score <= LOWER_BOUNDS[grade] - GRADE_MARGIN) grade++;
  while (grade > 0 && score >= LOWER_BOUNDS[grade - 1] + GRADE_MARGIN) grade--;
  return GRADES[grade];
}

/** Features of which any one is evidence of a dimension. A count of readings is evidence where it is above 0. */
export const EVIDENCE: Readonly<Record<Dimension, readonly string[]>> = {
  memory: [
    'ecc_sbe_event_count',
    'ecc_dbe_event_count',
    'remap_correctable_total',
    'remap_uncorrectable_total',
    'remap_correctable_count',
    'remap_uncorrectable_count',
    'remap_failure',
    'memory_temp_mean',
  ],
  thermal: ['gpu_temp_mean', 'throttle_readings'],
  performance: ['performance_heard'],
  power: ['power_usage_mean', 'throttle_readings'],
  reliability: ['hours_with_readings'],
};
const COUNTS_OF_READINGS: ReadonlySet<string> = new Set([
  'throttle_readings',
  'hours_with_readings',
  'performance_heard',
]);

/** A rule with its thresholds for one model, its columns looked up. */
interface CompiledRule {
  readonly rule: HealthRule;
  readonly dimension: number;
  readonly column: number;
  readonly from: number;
  readonly to: number;
  readonly pointsAtFrom: number;
  readonly pointsAtTo: number;
  readonly onlyIfColumn: number;
  readonly onlyIfAbove: number;
}

const WEIGHTS = DIMENSIONS.map((dimension) => DIMENSION_WEIGHTS[dimension]);
const evidenceColumns = DIMENSIONS.map((dimension) =>
  EVIDENCE[dimension].map((name) => ({
    column: featureIndex(name),
    above: COUNTS_OF_READINGS.has(name) ? 0 : -Infinity,
  })),
);

/** Judges feature rows by the rule table. One for all GPUs; not for use by two callers at once (scratch arrays). */
export class HealthGrader {
  private readonly compiled = new Map<GpuModel | null, readonly CompiledRule[]>();
  private readonly points = new Float64Array(DIMENSIONS.length);
  private coverage = 0;

  /** @throws Error for a factor that is not in the table, or whose `from` would equal its `to` */
  constructor(options: HealthOptions = {}) {
    for (const [factor, change] of Object.entries(options.rules ?? {})) {
      const rule = HEALTH_RULES.find((each) => each.factor === factor);
      if (rule === undefined) throw new Error(`unknown health factor ${factor}`);
      if ((change?.from ?? rule.from) === (change?.to ?? rule.to)) throw new Error(`${factor}: from and to are equal`);
    }
    for (const model of [null, ...GPU_MODELS]) this.compiled.set(model, compile(model, options));
  }

  /**
   * The score alone, without making anything: for every due point.
   * @param values feature rows; the row starts at `offset`
   * @param model name as producers state it
   * @returns 0–100, NaN where coverage is below the least
   */
  score(values: Float64Array, offset: number, model: string | null | undefined): number {
    this.deduct(values, offset, model);
    let sum = 0;
    let weights = 0;
    for (let dimension = 0; dimension < WEIGHTS.length; dimension++) {
      const points = this.points[dimension];
      if (Number.isNaN(points)) continue;
      weights += WEIGHTS[dimension];
      sum += WEIGHTS[dimension] * Math.max(0, 100 - points);
    }
    this.coverage = Math.min(1, round(weights));
    // Rounding may leave a hair more than 100 of a GPU that lost next to nothing.
    return this.coverage < MIN_COVERAGE ? NaN : Math.min(100, sum / weights);
  }

  /** The score with its reasons, for records that are emitted. Arguments as for {@link score}. */
  assess(values: Float64Array, offset: number, model: string | null | undefined): HealthAssessment {
    const score = this.score(values, offset, model);
    const dimensions = {} as Record<Dimension, number | null>;
    DIMENSIONS.forEach((dimension, index) => {
      const points = this.points[index];
      dimensions[dimension] = Number.isNaN(points) ? null : Math.max(0, 100 - points);
    });
    const deductions = this.rulesOf(model)
      .map((rule) => ({ rule, points: pointsOf(rule, values, offset) }))
      .filter(({ rule, points }) => points > 0 && dimensions[DIMENSIONS[rule.dimension]] !== null)
      .sort((a, b) => b.points * WEIGHTS[b.rule.dimension] - a.points * WEIGHTS[a.rule.dimension])
      .slice(0, MAX_DEDUCTIONS)
      .map(({ rule, points }) => ({ factor: rule.rule.factor, points, evidence: evidence(rule, values, offset) }));
    return { score: Number.isNaN(score) ? null : score, coverage: this.coverage, dimensions, deductions };
  }

  /** Fills `points` with what each dimension loses; NaN where it has no evidence. */
  private deduct(values: Float64Array, offset: number, model: string | null | undefined): void {
    for (let dimension = 0; dimension < WEIGHTS.length; dimension++)
      this.points[dimension] = hasEvidence(dimension, values, offset) ? 0 : NaN;
    // NaN stays NaN: a dimension without evidence loses nothing.
    for (const rule of this.rulesOf(model)) this.points[rule.dimension] += pointsOf(rule, values, offset);
  }

  private rulesOf(model: string | null | undefined): readonly CompiledRule[] {
    return this.compiled.get(gpuModelFamily(model)) ?? [];
  }
}

function hasEvidence(dimension: number, values: Float64Array, offset: number): boolean {
  for (const { column, above } of evidenceColumns[dimension]) if (values[offset + column] > above) return true;
  return false;
}

/** Points that a rule takes; 0 where its feature is absent or within bounds. */
function pointsOf(rule: CompiledRule, values: Float64Array, offset: number): number {
  const share = (values[offset + rule.column] - rule.from) / (rule.to - rule.from);
  if (!(share > 0)) return 0;
  if (rule.onlyIfColumn >= 0 && !(values[offset + rule.onlyIfColumn] > rule.onlyIfAbove)) return 0;
  return rule.pointsAtFrom + (rule.pointsAtTo - rule.pointsAtFrom) * Math.min(1, share);
}

function compile(model: GpuModel | null, options: HealthOptions): CompiledRule[] {
  const limits: ModelLimits = {
    ...DEFAULT_LIMITS,
    ...(model === null ? {} : { ...MODEL_LIMITS[model], ...options.limits?.[model] }),
  };
  return HEALTH_RULES.map((original) => {
    const rule = { ...original, ...options.rules?.[original.factor] };
    const at = (threshold: number): number => {
      if (rule.relativeTo === undefined) return threshold;
      const limit = limits[rule.relativeTo];
      return rule.relativeTo === 'boardPowerWatts' ? limit * threshold : limit + threshold;
    };
    return {
      rule,
      dimension: DIMENSIONS.indexOf(rule.dimension),
      column: featureIndex(rule.feature),
      from: at(rule.from),
      to: at(rule.to),
      pointsAtFrom: rule.pointsAtFrom,
      pointsAtTo: rule.pointsAtTo,
      onlyIfColumn: rule.onlyIf === undefined ? -1 : featureIndex(rule.onlyIf.feature),
      onlyIfAbove: rule.onlyIf?.above ?? NaN,
    };
  });
}

function evidence(rule: CompiledRule, values: Float64Array, offset: number): string {
  const { name, unit } = FEATURES[rule.column];
  const bound = rule.to < rule.from ? 'below' : 'above';
  const value = figure(values[offset + rule.column]);
  // The name of a count says what is counted.
  return `${name} ${unit === 'count' ? value : `${value} ${unit}`}, ${bound} ${figure(rule.from)}`;
}

/** Four significant digits, without trailing zeros. */
function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** Weights sum to 1 only in decimals. */
function round(coverage: number): number {
  return Math.round(coverage * 1e9) / 1e9;
}
