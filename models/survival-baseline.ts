import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Type, type Static } from '@sinclair/typebox';
import { DAY_MS } from '../schema/clock.js';
import type { Config } from '../schema/config.js';
import { dateMs } from '../schema/dates.js';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { gpuModelFamily } from '../schema/gpu-models.js';
import { packageRoot } from '../schema/package-root.js';
import type { AssetRecord, PredictionRecord, Trigger } from '../schema/records.js';
import { parseChecked } from './checked-json.js';
import { estimatedTtfDays, HORIZON_DAYS } from './survival.js';

/**
 * Failure odds from asset data alone, for GPUs without telemetry. The shape of the hazard (age, batch, position) was
 * learned from real lifetimes, models/training/survival; its level is a yearly rate of the GPU's model.
 */

const DAYS_PER_YEAR = 365.25;
const HINT = 'Restore it, or make it anew with `python3 -m training.survival train`.';
/** Facts of the model in their order, behind the quarter of age. */
const FACTS = ['batch_new', 'col', 'row', 'col_odd', 'cage', 'slot', 'node', 'made_week', 'serial'] as const;
/** Batches of the lifetimes that the shape was learned from; another name is a batch of which nothing is known. */
const BATCHES: Readonly<Record<string, number>> = { old: 0, new: 1 };

const Artefact = Type.Object({
  model_version: Type.String({ pattern: '^survival-' }),
  format: Type.Literal(1),
  features: Type.Tuple([Type.Literal('age_quarter'), ...FACTS.map((name) => Type.Literal(name))]),
  step_days: Type.Number({ exclusiveMinimum: 0 }),
  /** Last quarter of age that was learned from. */
  last_quarter: Type.Integer({ minimum: 0 }),
  /** Failures a GPU-year of the lives that were learned from. */
  yearly_rate: Type.Number({ exclusiveMinimum: 0 }),
  /** Log hazard a year where all leaves are 0, and the nodes of all trees: see models/training/survival/trees.py. */
  forest: Type.Object({
    base: Type.Number(),
    roots: Type.Array(Type.Integer()),
    feature: Type.Array(Type.Integer()),
    value: Type.Array(Type.Number()),
    left: Type.Array(Type.Integer()),
    absent_left: Type.Array(Type.Integer()),
  }),
});
type Artefact = Static<typeof Artefact>;

/** A prediction that rests on no reading. */
export type BaselinePrediction = Omit<PredictionRecord, 'newest_reading_at' | 'emitted_at' | 'instance'> & {
  readonly newest_reading_at: null;
};

export class SurvivalBaseline {
  readonly modelVersion: string;
  private readonly feature: Int32Array;
  /** Thresholds and leaves are float32: compared and added as XGBoost stored them. */
  private readonly value: Float32Array;
  private readonly left: Int32Array;
  private readonly row = new Float32Array(1 + FACTS.length);

  private constructor(
    private readonly artefact: Artefact,
    private readonly rates: Config['survival'],
  ) {
    this.modelVersion = artefact.model_version;
    this.feature = Int32Array.from(artefact.forest.feature);
    this.value = Float32Array.from(artefact.forest.value);
    this.left = Int32Array.from(artefact.forest.left);
  }

  /** @throws ActuaryError model_missing, model_corrupt */
  static load(
    rates: Config['survival'],
    file = join(packageRoot(), 'models', 'champion', 'survival.json'),
  ): SurvivalBaseline {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      throw new ActuaryError('model_missing', `survival baseline ${file}: ${messageOf(error)}`, { cause: error });
    }
    const artefact = parseChecked(Artefact, text, `survival baseline ${file}`, HINT);
    return new SurvivalBaseline(artefact, rates);
  }

  /**
   * Prediction of a GPU of which no reading is known.
   * @param asOfMs epoch ms
   * @returns coverage and confidence are 0: nothing of the GPU itself was seen
   */
  predict(asset: AssetRecord, asOfMs: number, trigger: Trigger): BaselinePrediction {
    const facts = factsOf(asset);
    const hazards = this.cumulativeHazard(facts, ageDays(asset, asOfMs), HORIZON_DAYS);
    const level = this.yearlyRate(asset) / this.artefact.yearly_rate;
    const [prob7d, prob30d, prob90d] = hazards.map((hazard) => -Math.expm1(-hazard * level));
    return {
      gpu_uuid: asset.gpu_uuid,
      as_of: asOfMs,
      newest_reading_at: null,
      trigger,
      model: asset.model ?? null,
      host: null,
      failure_prob_7d: prob7d,
      failure_prob_30d: prob30d,
      failure_prob_90d: prob90d,
      predicted_failure_type: null,
      failure_type_prob: null,
      estimated_ttf_days: estimatedTtfDays(prob7d, prob30d, prob90d),
      coverage: 0,
      confidence: 0,
      model_version: this.modelVersion,
      run_id: null,
      feature_set: 'assets',
      top_factors: null,
    };
  }

  /**
   * Hazard from an age up to each horizon behind it, at the level of the lives that were learned from.
   * @param facts in the order of {@link FACTS}; NaN is not known
   * @param age days; NaN where it is not known: the mean over ages is used then
   * @param horizons days
   */
  cumulativeHazard(facts: ArrayLike<number>, age: number, horizons: readonly number[]): number[] {
    const { step_days: stepDays, last_quarter: lastQuarter } = this.artefact;
    const known = Number.isNaN(age) ? 0 : age;
    const sums = horizons.map(() => 0);
    const end = known + Math.max(...horizons);
    this.row.set(facts, 1);
    for (let quarter = Math.floor(known / stepDays); quarter * stepDays < end; quarter++) {
      this.row[0] = Number.isNaN(age) ? NaN : Math.min(quarter, lastQuarter);
      const perDay = Math.exp(this.logHazard()) / DAYS_PER_YEAR;
      const from = Math.max(quarter * stepDays, known);
      horizons.forEach((horizon, index) => {
        const days = Math.min((quarter + 1) * stepDays, known + horizon) - from;
        if (days > 0) sums[index] += perDay * days;
      });
    }
    return sums;
  }

  /** Log of the hazard a year of the row. */
  private logHazard(): number {
    const { base, roots, absent_left: absentLeft } = this.artefact.forest;
    let total = base;
    for (const root of roots) {
      let node = root;
      for (let column = this.feature[node]; column >= 0; column = this.feature[node]) {
        const read = this.row[column];
        const goesLeft = read !== read ? absentLeft[node] === 1 : read < this.value[node];
        node = goesLeft ? this.left[node] : this.left[node] + 1;
      }
      total += this.value[node];
    }
    return total;
  }

  private yearlyRate(asset: AssetRecord): number {
    const family = gpuModelFamily(asset.model);
    return (family === null ? undefined : this.rates.yearlyRates[family]) ?? this.rates.yearlyRate;
  }
}

/**
 * What the register tells of a GPU, as the shape knows it. Cabinet, node and serial number are left out: they mean
 * something on the machine that was learned from only.
 */
function factsOf(asset: AssetRecord): number[] {
  const facts: Partial<Record<(typeof FACTS)[number], number>> = {
    batch_new: BATCHES[(asset.batch ?? '').trim().toLowerCase()],
    cage: asset.cage ?? undefined,
    slot: asset.slot ?? undefined,
  };
  return FACTS.map((name) => facts[name] ?? NaN);
}

/** Days since deployment, else purchase; NaN without a date, 0 before it. */
function ageDays(asset: AssetRecord, asOfMs: number): number {
  const date = asset.deployment_date ?? asset.purchase_date;
  return date === null || date === undefined ? NaN : Math.max(0, (asOfMs - dateMs(date)) / DAY_MS);
}
