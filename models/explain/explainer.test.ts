import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FEATURE_COUNT, FEATURES } from '../../schema/features.js';
import { packageRoot } from '../../schema/package-root.js';
import { propertyRuns } from '../../test/support/property-runs.js';
import { rowsOf } from '../golden.js';
import { OnnxScorer } from '../onnx-scorer.js';
import { EXPLAINED_WITHIN_MS, explanationMs } from './cost.js';
import { Explainer, TOP_FACTORS } from './explainer.js';
import { HeadExplainer } from './head-explainer.js';
import type { Tree } from './trees.js';
import { factorInWords, valueInWords } from './words.js';

/** Made by `contributions.py models/champion models/explain/golden.json --trees 8 --rows 20` of models/training. */
interface Golden {
  readonly features: (number | null)[][];
  readonly heads: Record<string, { readonly margin: number[]; readonly pred_contribs: number[][] }>;
  readonly model: { readonly features: string[] };
}

const here = join(packageRoot(), 'models', 'explain', 'golden.json');
const golden = JSON.parse(readFileSync(here, 'utf8')) as Golden;

function valuesOf(rows: readonly (readonly (number | null)[])[]): Float64Array {
  const values = new Float64Array(rows.length * FEATURE_COUNT).fill(NaN);
  rows.forEach((row, index) => row.forEach((value, column) => (values[index * FEATURE_COUNT + column] = value ?? NaN)));
  return values;
}

const explainer = await Explainer.parse(JSON.stringify(golden.model), golden.model.features, 'golden');
const values = valuesOf(golden.features);

describe('explanations', () => {
  it("are XGBoost's pred_contribs, with absent features, in every hazard head", () => {
    let compared = 0;
    golden.features.forEach((_, row) => {
      for (const { head, base, contributions } of explainer.contributions(values, row * FEATURE_COUNT)) {
        const { margin, pred_contribs } = golden.heads[head];
        const expected = pred_contribs[row];
        expect(Math.abs(base - expected[contributions.length])).toBeLessThan(1e-5);
        contributions.forEach((contribution, column) => {
          expect(Math.abs(contribution - expected[column]), `${head} ${FEATURES[column].name}`).toBeLessThan(1e-5);
          compared++;
        });
        expect(Math.abs(base + sum(contributions) - margin[row])).toBeLessThan(1e-4);
      }
    });
    expect(compared).toBe(20 * 3 * golden.model.features.length);
  });

  it('rank by the heads up to 30 days, each by its share of the 30-day hazard', () => {
    const [prob7d, prob30d] = [0.02, 0.05];
    const share7 = Math.log1p(-prob7d) / Math.log1p(-prob30d);
    for (let row = 0; row < golden.features.length; row++) {
      const of = (head: string): number[] => golden.heads[head].pred_contribs[row].slice(0, -1);
      const far = of('hazard_7_30');
      const expected = of('hazard_0_7')
        .map((near, column) => ({ column, contribution: share7 * near + (1 - share7) * far[column] }))
        .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
        .slice(0, TOP_FACTORS);
      const found = explainer.topFactors(values, row * FEATURE_COUNT, prob7d, prob30d);
      expect(found.map(({ feature }) => feature)).toEqual(expected.map(({ column }) => golden.model.features[column]));
      found.forEach(({ feature, value, contribution }, rank) => {
        expect(contribution).toBeCloseTo(expected[rank].contribution, 5);
        expect(value).toBe(golden.features[row][golden.model.features.indexOf(feature)]);
      });
    }
  });

  it('find an order where there is no risk and where there is no doubt', () => {
    for (const probability of [0, 1]) {
      const found = explainer.topFactors(values, 0, probability, probability);
      expect(found.length).toBeGreaterThan(0);
      for (const { contribution } of found) expect(Number.isFinite(contribution)).toBe(true);
    }
  });

  it.each([
    ['not JSON', '{'],
    ['other features', JSON.stringify({ ...golden.model, features: ['gpu_temp_mean'] })],
    ['no hazard head', JSON.stringify({ features: golden.model.features, heads: {} })],
    ['a head of another kind', JSON.stringify({ features: golden.model.features, heads: { hazard_0_7: {} } })],
  ])('refuse a file that is %s', async (_, text) => {
    await expect(Explainer.parse(text, golden.model.features, 'model.json')).rejects.toMatchObject({
      code: 'model_corrupt',
    });
  });

  it('refuse a tree whose children lead back', async () => {
    const model = structuredClone(golden.model) as unknown as {
      heads: Record<string, { learner: { gradient_booster: { model: { trees: { left_children: number[] }[] } } } }>;
    };
    model.heads.hazard_0_7.learner.gradient_booster.model.trees[0].left_children[1] = 0;
    await expect(Explainer.parse(JSON.stringify(model), golden.model.features, 'model.json')).rejects.toThrow(/tree 0/);
  });
});

describe('the explanation of any tree', () => {
  const WIDTH = 4;
  /** Any tree: a leaf, or a split on one of few features, so that paths meet features again. */
  interface Node {
    readonly value: number;
    readonly split: { feature: number; threshold: number; absentLeft: boolean; left: Node; right: Node } | null;
    readonly weight: number;
  }
  const node: fc.Arbitrary<Node> = fc.letrec<{ node: Node }>((tie) => ({
    node: fc.record({
      value: fc.double({ min: -1, max: 1, noNaN: true }),
      weight: fc.integer({ min: 1, max: 50 }),
      split: fc.option(
        fc.record({
          feature: fc.nat(WIDTH - 1),
          threshold: fc.integer({ min: -3, max: 3 }),
          absentLeft: fc.boolean(),
          left: tie('node'),
          right: tie('node'),
        }),
        { maxDepth: 6, depthSize: 'large' },
      ),
    }),
  })).node;
  const covers = ({ weight, split }: Node): number =>
    split === null ? weight : covers(split.left) + covers(split.right);
  const flat = (root: Node): Tree => {
    const tree = {
      left_children: [] as number[],
      right_children: [] as number[],
      split_indices: [] as number[],
      split_conditions: [] as number[],
      default_left: [] as (0 | 1)[],
      sum_hessian: [] as number[],
      split_type: [] as 0[],
    };
    const add = (one: Node): number => {
      const at = tree.left_children.push(-1) - 1;
      tree.right_children.push(-1);
      tree.split_indices.push(one.split?.feature ?? 0);
      tree.split_conditions.push(one.split?.threshold ?? one.value);
      tree.default_left.push(one.split?.absentLeft ? 1 : 0);
      tree.sum_hessian.push(covers(one));
      if (one.split !== null) {
        tree.left_children[at] = add(one.split.left);
        tree.right_children[at] = add(one.split.right);
      }
      return at;
    };
    add(root);
    return tree;
  };
  const goesLeft = (value: number, { threshold, absentLeft }: NonNullable<Node['split']>): boolean =>
    Number.isNaN(value) ? absentLeft : value < threshold;
  /** Value of the tree where only the features of a set are known: the others are averaged over. */
  const expectation = (one: Node, row: readonly number[], known: number): number => {
    const { split } = one;
    if (split === null) return Math.fround(one.value);
    if ((known >> split.feature) & 1)
      return expectation(goesLeft(row[split.feature], split) ? split.left : split.right, row, known);
    const [left, right] = [covers(split.left), covers(split.right)];
    return (left * expectation(split.left, row, known) + right * expectation(split.right, row, known)) / (left + right);
  };
  const bits = (set: number): number => (set === 0 ? 0 : (set & 1) + bits(set >> 1));
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
  /** Shapley values by their definition. */
  const shapley = (root: Node, row: readonly number[]): number[] =>
    row.map((_, feature) => {
      let value = 0;
      for (let set = 0; set < 2 ** WIDTH; set++) {
        if ((set >> feature) & 1) continue;
        const weight = (factorial(bits(set)) * factorial(WIDTH - 1 - bits(set))) / factorial(WIDTH);
        value += weight * (expectation(root, row, set | (1 << feature)) - expectation(root, row, set));
      }
      return value;
    });

  it('is the Shapley value of each feature by definition, and sums to the margin, with and without tables', async () => {
    const reading = fc.oneof(fc.integer({ min: -4, max: 4 }), fc.constant(NaN));
    await fc.assert(
      fc.asyncProperty(node, fc.array(reading, { minLength: WIDTH, maxLength: WIDTH }), async (root, row) => {
        const expected = shapley(root, row);
        const margin = expectation(root, row, 2 ** WIDTH - 1);
        for (const tableBytes of [0, 200, 1_000_000]) {
          const head = await HeadExplainer.make(
            { name: 'any', fromDays: 0, toDays: 7, trees: [flat(root)] },
            WIDTH,
            tableBytes,
          );
          const found = new Float64Array(WIDTH);
          head.add(Float32Array.from(row), 1, found);
          expected.forEach((value, feature) => expect(found[feature]).toBeCloseTo(value, 9));
          expect(head.base + sum(found)).toBeCloseTo(margin, 9);
        }
      }),
      { numRuns: propertyRuns(300) },
    );
  });
});

describe('the champion', () => {
  it('has explanations whose margins are those behind its probabilities', async () => {
    const directory = join(packageRoot(), 'models', 'champion');
    const scorer = await OnnxScorer.load(directory);
    expect(existsSync(join(directory, 'model.json'))).toBe(true);
    const { coefficients } = JSON.parse(readFileSync(join(directory, 'model.json'), 'utf8')) as {
      coefficients: [number, number][];
    };
    const { features, failure_prob } = JSON.parse(readFileSync(join(directory, 'golden.json'), 'utf8')) as {
      features: (number | null)[][];
      failure_prob: number[][];
    };
    const rows = valuesOf(features);
    features.forEach((_, row) => {
      const heads = scorer.explainer!.contributions(rows, row * FEATURE_COUNT);
      expect(heads.map(({ head }) => head)).toEqual(['hazard_0_7', 'hazard_7_30', 'hazard_30_90']);
      let hazard = 0;
      heads.forEach(({ base, contributions }, head) => {
        const [slope, intercept] = coefficients[head];
        hazard += Math.exp(slope * (base + sum(contributions)) + intercept);
        // The bounds that calibration sets on a rate are far beyond what these rows have.
        expect(Math.abs(-Math.expm1(-hazard) - failure_prob[row][head])).toBeLessThan(1e-5);
      });
    });
    await scorer.close();
  });
});

describe('the cost of an explanation', () => {
  it('is within a millisecond a row with the champion', async () => {
    const scorer = await OnnxScorer.load(join(packageRoot(), 'models', 'champion'));
    await scorer.close();
    expect(scorer.explanationMs).toBeGreaterThan(0);
    expect(scorer.explanationMs).toBeLessThanOrEqual(EXPLAINED_WITHIN_MS);
  });

  it('is the median over rows, and of a dear model not asked of many', async () => {
    let [nowMs, asked] = [0, 0];
    const taking = (ms: number): Explainer =>
      ({
        topFactors: () => {
          nowMs += asked++ === 0 ? 50 : ms;
          return [];
        },
      }) as unknown as Explainer;
    const rows = { ...rowsOf(golden.features), count: 5 };
    expect(await explanationMs(taking(2), rows, () => nowMs)).toBe(2);
    expect(asked).toBe(64);
    asked = 0;
    expect(await explanationMs(taking(90), rows, () => nowMs)).toBe(90);
    expect(asked).toBeLessThan(5);
  });
});

describe('words', () => {
  it.each([
    ['memory_temp_mean_24h_delta', 9, 'memory temperature 9 °C above its week'],
    ['power_usage_mean_24h_delta', -12.34, 'power 12.3 W below its week'],
    ['ecc_dbe_event_count', 1, '1 double-bit memory error in the week'],
    ['ecc_dbe_event_count', 0, 'no double-bit memory errors in the week'],
    ['reporting_ratio', 0.875, 'reported in 87.5% of its hours'],
    ['gpu_temp_mean', null, 'nothing known of: Mean GPU temperature'],
    ['of_tomorrow', 3, 'of_tomorrow: 3'],
  ])('%s of %s: %s', (feature, value, words) => {
    expect(valueInWords(feature, value)).toBe(words);
  });

  it('name every published feature, and the sign of what it adds', () => {
    for (const { name, set } of FEATURES)
      if (set !== 'internal') expect(valueInWords(name, 2)).not.toContain(`${name}`);
    expect(factorInWords({ feature: 'gap_count', value: 2, contribution: -0.804 })).toBe(
      '2 gaps in its telemetry in the week, −0.80',
    );
  });
});

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
