import { readFile } from 'node:fs/promises';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import type { TopFactor } from '../../schema/records.js';
import { HeadExplainer } from './head-explainer.js';
import { readHazardHeads } from './trees.js';

/** How many factors a prediction names. */
export const TOP_FACTORS = 5;
/** The horizon whose risk the factors explain. */
const HORIZON_DAYS = 30;
/** Memory for contributions kept ready, all heads together. */
const TABLE_BYTES = 32 * 1024 * 1024;

/** Contributions of a row to one head. */
export interface HeadContributions {
  readonly head: string;
  /** Expected margin; with the contributions it sums to the row's margin, before calibration. */
  readonly base: number;
  /** One a feature of the model's input, in its order. */
  readonly contributions: Float64Array;
}

/**
 * Says which features move a prediction: exact path-dependent TreeSHAP over the trees that the graph was made of. A
 * function of the row and the model alone. It takes CPU: for what is emitted or asked for, not for every row scored.
 */
export class Explainer {
  private readonly row: Float32Array;
  private readonly sum: Float64Array;

  private constructor(
    private readonly features: readonly string[],
    private readonly heads: readonly HeadExplainer[],
  ) {
    this.row = new Float32Array(features.length);
    this.sum = new Float64Array(features.length);
  }

  /**
   * @param text of the model.json beside the graph
   * @param features columns of the model's input, as its card names them
   * @throws ActuaryError model_corrupt
   */
  static async parse(text: string, features: readonly string[], file: string): Promise<Explainer> {
    let free = TABLE_BYTES;
    const heads: HeadExplainer[] = [];
    for (const head of readHazardHeads(text, features, file)) {
      // Heads beyond the horizon are asked for by hand only.
      const explainer = await HeadExplainer.make(head, features.length, head.toDays <= HORIZON_DAYS ? free : 0);
      free -= explainer.tableBytes;
      heads.push(explainer);
    }
    return new Explainer(features, heads);
  }

  /**
   * The explainer of a model directory; null where the trees are not beside the graph.
   * @throws ActuaryError model_corrupt
   */
  static async load(file: string, features: readonly string[]): Promise<Explainer | null> {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw new ActuaryError('model_corrupt', `${file}: ${messageOf(error)}`, { cause: error });
    }
    return Explainer.parse(text, features, file);
  }

  /** Memory of the contributions kept ready. */
  get tableBytes(): number {
    return this.heads.reduce((sum, head) => sum + head.tableBytes, 0);
  }

  /**
   * What moves the 30-day risk of a row, strongest first: contributions to the heads up to 30 days, each weighted by
   * its share of the cumulative hazard. So they are, to first order, parts of the log of that hazard.
   * @param values feature rows; the row begins at `offset`
   * @param prob7d predicted probability of failure within 7 days
   * @param prob30d the same within 30 days
   */
  topFactors(values: Float64Array, offset: number, prob7d: number, prob30d: number): TopFactor[] {
    const { row, sum, features } = this;
    this.take(values, offset);
    sum.fill(0);
    for (const head of this.heads)
      if (head.toDays <= HORIZON_DAYS) head.add(row, shareOf(head.fromDays, head.toDays, prob7d, prob30d), sum);
    return strongest(sum, TOP_FACTORS).map((column) => {
      const value = values[offset + column];
      return { feature: features[column], value: value === value ? value : null, contribution: sum[column] };
    });
  }

  /** Contributions of a row to each hazard head, in the order of their days. */
  contributions(values: Float64Array, offset: number): HeadContributions[] {
    this.take(values, offset);
    return this.heads.map((head) => {
      const contributions = new Float64Array(this.features.length);
      head.add(this.row, 1, contributions);
      return { head: head.name, base: head.base, contributions };
    });
  }

  private take(values: Float64Array, offset: number): void {
    for (let column = 0; column < this.row.length; column++) this.row[column] = values[offset + column];
  }
}

/** Places of the values furthest from 0, that of the furthest first; zeros are none, and of equals the first goes first. */
function strongest(values: Float64Array, most: number): number[] {
  const places: number[] = [];
  for (let place = 0; place < values.length; place++) {
    const strength = Math.abs(values[place]);
    if (strength === 0) continue;
    let at = places.length;
    while (at > 0 && Math.abs(values[places[at - 1]]) < strength) at--;
    if (at === most) continue;
    places.splice(at, 0, place);
    if (places.length > most) places.pop();
  }
  return places;
}

/** Probabilities of 1 are beyond what a model can mean: their hazard is taken as this. */
const MAX_HAZARD = 50;

/**
 * A head's share of the 30-day cumulative hazard, from the predicted probabilities. Where a head's days are others than
 * 0, 7 and 30, the hazard between those is taken as even.
 */
function shareOf(fromDays: number, toDays: number, prob7d: number, prob30d: number): number {
  const by30 = Math.min(MAX_HAZARD, -Math.log1p(-prob30d));
  if (!(by30 > 0)) return (toDays - fromDays) / HORIZON_DAYS;
  const by7 = Math.min(by30, -Math.log1p(-prob7d));
  const by = (day: number): number =>
    day <= 7 ? (by7 * day) / 7 : by7 + ((by30 - by7) * (day - 7)) / (HORIZON_DAYS - 7);
  return (by(toDays) - by(fromDays)) / by30;
}
