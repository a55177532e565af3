import { performance } from 'node:perf_hooks';
import { resolveModelDirectory } from '../models/load.js';
import { OnnxScorer } from '../models/onnx-scorer.js';
import { FEATURE_COUNT } from '../schema/features.js';
import { drawRows } from './support/drawn-rows.js';
import { provenance } from './support/provenance.js';
import { quantile, significant } from './support/statistics.js';

/** What naming the factors of one row may take with the champion, ms. */
const BOUND_MS = 1;
const WARM_UP_ROWS = 500;

/** What the top factors of a prediction cost, row by row, beside what scoring the row costs. */
export async function benchExplain(options: {
  readonly model: string;
  readonly rows: number;
  readonly seed: number;
}): Promise<object> {
  const directory = resolveModelDirectory(options.model);
  const started = performance.now();
  const scorer = await OnnxScorer.load(directory);
  const loadMs = performance.now() - started;
  const { explainer } = scorer;
  if (explainer === null) throw new Error(`${directory} has no model.json`);
  const { rows: count, seed } = options;
  const rows = drawRows(directory, count, seed);
  await scorer.score(rows);
  const scoredFrom = performance.now();
  const { prob7d, prob30d } = await scorer.score(rows);
  const scoreMs = performance.now() - scoredFrom;
  for (let row = 0; row < WARM_UP_ROWS; row++)
    explainer.topFactors(rows.values, (row % count) * FEATURE_COUNT, 0.01, 0.02);
  const tookMs = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    const from = performance.now();
    explainer.topFactors(rows.values, row * FEATURE_COUNT, prob7d[row], prob30d[row]);
    tookMs[row] = performance.now() - from;
  }
  await scorer.close();
  const totalMs = tookMs.reduce((sum, each) => sum + each, 0);
  tookMs.sort();
  const micros = (ms: number): number => significant(1000 * ms, 3);
  const meanMs = totalMs / count;
  return {
    bench: 'explain',
    model: scorer.modelVersion,
    seed,
    rows: count,
    microsPerRow: {
      mean: micros(meanMs),
      median: micros(quantile(tookMs, 0.5)),
      p99: micros(quantile(tookMs, 0.99)),
      max: micros(tookMs[count - 1]),
    },
    scoringMicrosPerRow: micros(scoreMs / count),
    tableMb: significant(explainer.tableBytes / 1e6, 3),
    /** Graph, trees and tables. */
    loadMs: Math.round(loadMs),
    rssMb: Math.round(process.memoryUsage.rss() / 1e6),
    void: meanMs > BOUND_MS ? `a row takes ${meanMs.toFixed(2)} ms, more than the ${BOUND_MS} ms it may` : null,
    ...provenance(),
  };
}
