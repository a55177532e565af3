import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FEATURE_COUNT, V1_FEATURES, type FeatureRows } from '../schema/features.js';
import { packageRoot } from '../schema/package-root.js';
import { FAILURE_TYPES } from '../schema/records.js';
import type { ModelCard } from './card.js';
import { loadScorer, resolveModelDirectory } from './load.js';
import { OnnxScorer } from './onnx-scorer.js';
import { propertyRuns } from '../test/support/property-runs.js';

const CHAMPION = join(packageRoot(), 'models', 'champion');

/** Rows and what training computed for them, apart from the graph. */
interface Golden {
  readonly features: (number | null)[][];
  readonly failure_prob: number[][];
  readonly failure_type_prob: number[][];
}

function rowsOf(features: readonly (readonly (number | null)[])[]): FeatureRows {
  const count = features.length;
  const values = new Float64Array(count * FEATURE_COUNT).fill(NaN);
  features.forEach((row, index) =>
    row.forEach((value, column) => (values[index * FEATURE_COUNT + column] = value ?? NaN)),
  );
  return {
    count,
    slot: new Int32Array(count),
    asOfMs: new Float64Array(count),
    newestMs: new Float64Array(count),
    values,
  };
}

let scorer: OnnxScorer;
let golden: Golden;
beforeAll(async () => {
  scorer = await OnnxScorer.load(CHAMPION);
  golden = JSON.parse(await readFile(join(CHAMPION, 'golden.json'), 'utf8')) as Golden;
});
afterAll(() => scorer.close());

describe('the champion', () => {
  it('computes what training computed, absent features included, within 1e-6', async () => {
    const predictions = await scorer.score(rowsOf(golden.features));
    expect(predictions.count).toBe(golden.features.length);
    golden.failure_prob.forEach(([prob7d, prob30d, prob90d], row) => {
      expect(Math.abs(predictions.prob7d[row] - prob7d)).toBeLessThan(1e-6);
      expect(Math.abs(predictions.prob30d[row] - prob30d)).toBeLessThan(1e-6);
      expect(Math.abs(predictions.prob90d[row] - prob90d)).toBeLessThan(1e-6);
    });
    golden.failure_type_prob.forEach((probabilities, row) => {
      expect(Math.abs(predictions.typeProb[row] - Math.max(...probabilities))).toBeLessThan(1e-6);
      expect(probabilities[predictions.type[row]]).toBeCloseTo(Math.max(...probabilities), 5);
    });
  });

  it('gives the same whatever batch a row is in', async () => {
    const many = Array.from({ length: 150 }, (_, index) => golden.features[index % golden.features.length]);
    const together = (await scorer.score(rowsOf(many))).prob90d.slice(0, many.length);
    for (const row of [0, 63, 64, 149]) {
      const alone = await scorer.score(rowsOf([many[row]]));
      expect(alone.prob90d[0]).toBe(together[row]);
    }
  });

  it('takes calls at once, one after the other', async () => {
    const [first, second] = golden.features;
    const wanted = [
      (await scorer.score(rowsOf([first]))).prob90d[0],
      (await scorer.score(rowsOf([second]))).prob90d[0],
    ];
    const read = (row: (number | null)[]): Promise<number> => scorer.score(rowsOf([row])).then((got) => got.prob90d[0]);
    expect(await Promise.all([read(first), read(second)])).toEqual(wanted);
  });

  it('scores nothing where there is nothing to score', async () => {
    expect((await scorer.score(rowsOf([]))).count).toBe(0);
  });

  it('keeps the probabilities in order whatever the features are', async () => {
    const width = golden.features[0].length;
    const value = fc.oneof(fc.constant(null), fc.double({ noNaN: true }), fc.integer({ min: -5, max: 1000 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(value, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 70 }),
        async (features) => {
          const { prob7d, prob30d, prob90d, type, typeProb } = await scorer.score(rowsOf(features));
          for (let row = 0; row < features.length; row++) {
            expect(prob7d[row]).toBeGreaterThanOrEqual(0);
            expect(prob30d[row]).toBeGreaterThanOrEqual(prob7d[row]);
            expect(prob90d[row]).toBeGreaterThanOrEqual(prob30d[row]);
            expect(prob90d[row]).toBeLessThanOrEqual(1);
            expect(type[row]).toBeLessThan(FAILURE_TYPES.length);
            expect(typeProb[row]).toBeGreaterThanOrEqual(1 / FAILURE_TYPES.length - 1e-6);
          }
        },
      ),
      { numRuns: propertyRuns(30) },
    );
  });

  it('ranks held-out GPUs better than the rule of thumb at every horizon, by its own card', async () => {
    const { metrics } = JSON.parse(await readFile(join(CHAMPION, 'card.json'), 'utf8')) as {
      metrics: Record<'model' | 'heuristic', Record<string, { auc_low: number; auc: number }>>;
    };
    for (const horizon of ['7d', '30d', '90d'])
      expect(metrics.model[horizon].auc_low).toBeGreaterThan(metrics.heuristic[horizon].auc);
  });

  it('names its version and set, and is surer of a window that is full', () => {
    expect(scorer.modelVersion).toBe(scorer.card.model_version);
    expect(scorer.featureSet).toBe(scorer.card.feature_set);
    expect(scorer.confidence(0.005, 1)).toBeGreaterThan(scorer.confidence(0.005, 0.3));
  });
});

describe('loading', () => {
  let directory: string;
  let card: ModelCard;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gpu-actuary-scorer-'));
    card = JSON.parse(await readFile(join(CHAMPION, 'card.json'), 'utf8')) as ModelCard;
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const putCard = (change: Partial<ModelCard>): Promise<void> =>
    writeFile(join(directory, 'card.json'), JSON.stringify({ ...card, ...change }));

  it('refuses a file that is no ONNX graph, card or not', async () => {
    const junk = 'no graph at all';
    await writeFile(join(directory, 'model.onnx'), junk);
    await putCard({ sha256: createHash('sha256').update(junk).digest('hex') });
    await expect(loadScorer(directory)).rejects.toMatchObject({ code: 'model_corrupt' });
  });

  it('refuses a graph that does not take the features of its card', async () => {
    await copyFile(join(CHAMPION, 'model.onnx'), join(directory, 'model.onnx'));
    await putCard({ features: V1_FEATURES.slice(0, 20) });
    await expect(loadScorer(directory)).rejects.toMatchObject({
      code: 'model_mismatch',
      message: expect.stringContaining('20 features') as string,
    });
  });

  it('never falls back from a configured model, and takes the rule of thumb where none is', async () => {
    await expect(loadScorer(join(directory, 'absent'))).rejects.toMatchObject({ code: 'model_missing' });
    expect((await loadScorer(null)).modelVersion).toBe('heuristic');
  });

  it('finds a relative directory in the package when the working directory has none', async () => {
    expect(resolveModelDirectory('models/champion')).toBe(CHAMPION);
    expect(resolveModelDirectory(directory)).toBe(directory);
    const packaged = await loadScorer('models/champion');
    expect(packaged.modelVersion).toBe(card.model_version);
    await packaged.close();
  });
});
