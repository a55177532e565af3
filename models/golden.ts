import { Type, type Static } from '@sinclair/typebox';
import { ActuaryError } from '../schema/errors.js';
import { FEATURE_COUNT, type FeatureRows } from '../schema/features.js';
import { FAILURE_TYPES } from '../schema/records.js';
import { corrupt, parseChecked } from './checked-json.js';
import type { Predictions, Scorer } from './scorer.js';
import { HORIZON_DAYS } from './survival.js';

/**
 * The golden batch: rows, and the probabilities that training computed for them apart from the graph, in float64. A
 * model that computes others is not the one that was tested.
 */

/** The graph is float32; on the committed champion it differs from float64 by less than a tenth of this. */
const TOLERANCE = 1e-5;
const HINT = "Restore the model's files together, or train anew.";

const row = (length: number) => Type.Array(Type.Number(), { minItems: length, maxItems: length });
const Golden = Type.Object({
  /** Null is an absent feature. */
  features: Type.Array(Type.Array(Type.Union([Type.Number(), Type.Null()])), { minItems: 1 }),
  failure_prob: Type.Array(row(HORIZON_DAYS.length)),
  failure_type_prob: Type.Array(row(FAILURE_TYPES.length)),
});
export type Golden = Static<typeof Golden>;

/**
 * @param width features of a row
 * @throws ActuaryError model_corrupt
 */
export function parseGolden(text: string, width: number, name: string): Golden {
  const golden = parseChecked(Golden, text, name, HINT);
  const { features, failure_prob, failure_type_prob } = golden;
  if (failure_prob.length !== features.length || failure_type_prob.length !== features.length)
    throw corrupt(name, 'as many answers as rows were expected', HINT);
  if (features.some((values) => values.length !== width))
    throw corrupt(name, `rows of ${width} features were expected`, HINT);
  return golden;
}

/** Rows of features as the engine has them, from rows of the first so many of them. */
export function rowsOf(features: Golden['features']): FeatureRows {
  const count = features.length;
  const values = new Float64Array(count * FEATURE_COUNT).fill(NaN);
  features.forEach((cells, index) =>
    cells.forEach((value, column) => (values[index * FEATURE_COUNT + column] = value ?? NaN)),
  );
  const times = new Float64Array(count);
  return { count, slot: new Int32Array(count), asOfMs: times, newestMs: times, values };
}

/**
 * Has a model compute its golden batch, which warms it up too.
 * @throws ActuaryError model_golden: it computes something else
 */
export async function checkGolden(scorer: Scorer, golden: Golden, name: string): Promise<void> {
  const predictions = await scorer.score(rowsOf(golden.features));
  for (let index = 0; index < golden.features.length; index++) {
    const found = probabilitiesOf(predictions, index);
    const expected = [...golden.failure_prob[index], Math.max(...golden.failure_type_prob[index])];
    const worst = Math.max(...found.map((value, column) => Math.abs(value - expected[column])));
    if (worst <= TOLERANCE) continue;
    throw new ActuaryError(
      'model_golden',
      `${name}: row ${index} gives [${found.join(', ')}], training gave [${expected.join(', ')}]. ` +
        'The graph is not what was trained, or this machine computes it wrongly.',
    );
  }
}

function probabilitiesOf({ prob7d, prob30d, prob90d, typeProb }: Predictions, index: number): number[] {
  return [prob7d[index], prob30d[index], prob90d[index], typeProb[index]];
}
