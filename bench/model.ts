import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { readModel } from '../models/card.js';
import { resolveModelDirectory } from '../models/load.js';
import { createSession } from '../models/onnx-scorer.js';
import { HORIZON_DAYS } from '../models/survival.js';
import { FEATURE_COUNT } from '../schema/features.js';
import { FAILURE_TYPES } from '../schema/records.js';
import { drawRows } from './support/drawn-rows.js';
import { measure } from './support/measure.js';
import { provenance } from './support/provenance.js';
import { significant, spreadOf, type Spread } from './support/statistics.js';

/** Rows that a second of CPU has to do. */
const LEAST_ROWS_PER_CPU_SECOND = 50_000;

/**
 * What the graph of a model takes of a row in onnxruntime-node: inference alone, with inputs and outputs made before, as
 * the engine's sessions run it. CPU time of the whole process, so that no neighbour on the core counts.
 */
export async function benchModel(options: {
  readonly model: string;
  readonly rows: number;
  readonly seed: number;
  readonly batches: readonly number[];
  readonly repeats: number;
}): Promise<object> {
  const { rows, seed, batches, repeats } = options;
  if (batches.length === 0) throw new Error('--batches names none');
  const directory = resolveModelDirectory(options.model);
  const { card, onnx } = await readModel(directory);
  const session = await createSession(onnx);
  const input = inputsOf(directory, rows, seed, card.features.length);
  const measured: BatchFigures[] = [];
  try {
    for (const batch of batches) measured.push(await ofBatches(session, input, rows, batch, repeats));
  } finally {
    await session.release();
  }
  return {
    bench: 'model',
    model: card.model_version,
    seed,
    repeats,
    batches: Object.fromEntries(measured.map(({ batch, ...figures }) => [batch, figures])),
    rssMb: Math.round(process.memoryUsage.rss() / 1e6),
    void: tooSlow(measured),
    ...provenance(),
  };
}

/** What is slower than asked, and by how much; null if nothing is. */
export function tooSlow(measured: readonly Pick<BatchFigures, 'batch' | 'rowsPerCpuSecond'>[]): string | null {
  const slow = measured
    .filter(({ rowsPerCpuSecond }) => rowsPerCpuSecond.median < LEAST_ROWS_PER_CPU_SECOND)
    .map(({ batch, rowsPerCpuSecond }) => `${rowsPerCpuSecond.median} in batches of ${batch}`);
  return slow.length === 0 ? null : `rows a CPU second: ${slow.join(', ')}; ${LEAST_ROWS_PER_CPU_SECOND} are asked for`;
}

interface BatchFigures {
  readonly batch: number;
  /** Of a repeat: whole batches only. */
  readonly rows: number;
  readonly rowsPerCpuSecond: Spread;
  readonly cpuMicrosPerRow: number;
  /** By the clock: fewer where others want the core. */
  readonly rowsPerSecond: Spread;
}

async function ofBatches(
  session: InferenceSession,
  input: Float32Array,
  rows: number,
  batch: number,
  repeats: number,
): Promise<BatchFigures> {
  const width = input.length / rows;
  const count = Math.floor(rows / batch);
  if (count === 0) throw new Error(`--rows ${rows} is less than a batch of ${batch}`);
  const feeds = Array.from({ length: count }, (_, index) => ({
    features: new Tensor('float32', input.subarray(index * batch * width, (index + 1) * batch * width), [batch, width]),
  }));
  const output = (columns: number): Tensor =>
    new Tensor('float32', new Float32Array(batch * columns), [batch, columns]);
  const fetches = { failure_prob: output(HORIZON_DAYS.length), failure_type_prob: output(FAILURE_TYPES.length) };
  const all = async (): Promise<void> => {
    for (const one of feeds) await session.run(one, fetches);
  };
  await all();
  const runs = [];
  for (let repeat = 0; repeat < repeats; repeat++) runs.push(await measure(all));
  const done = count * batch;
  const rowsPerCpuSecond = spreadOf(runs.map(({ cpuSeconds }) => done / cpuSeconds));
  return {
    batch,
    rows: done,
    rowsPerCpuSecond,
    cpuMicrosPerRow: significant(1e6 / rowsPerCpuSecond.median, 3),
    rowsPerSecond: spreadOf(runs.map(({ seconds }) => done / seconds)),
  };
}

/** Drawn rows as the graph takes them: the first columns of the engine's rows. */
function inputsOf(directory: string, rows: number, seed: number, width: number): Float32Array {
  const { values } = drawRows(directory, rows, seed);
  const input = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++)
    input.set(values.subarray(row * FEATURE_COUNT, row * FEATURE_COUNT + width), row * width);
  return input;
}
