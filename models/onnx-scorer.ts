import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { FEATURE_COUNT, type FeatureRows } from '../schema/features.js';
import { FAILURE_TYPES } from '../schema/records.js';
import { readModel, type ModelCard, type ModelFiles } from './card.js';
import { calibratedConfidence } from './confidence.js';
import { explanationMs } from './explain/cost.js';
import { Explainer } from './explain/explainer.js';
import { checkGolden, rowsOf } from './golden.js';
import { PredictionArrays } from './predictions.js';
import type { Predictions, Scorer } from './scorer.js';
import { HORIZON_DAYS } from './survival.js';

/** Rows of one inference. It blocks the event loop for about a millisecond; the loop turns between two of them. */
const BATCH_ROWS = 64;
const HORIZONS = HORIZON_DAYS.length;
const TYPES = FAILURE_TYPES.length;

/** A session as the engine runs it: on one thread, for a role scores beside others that want the cores. */
export function createSession(onnx: Uint8Array): Promise<InferenceSession> {
  // The runtime reports its use to its maker, and keeps files in the home and temporary directories for that, unless
  // this is set before its first session.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  return InferenceSession.create(onnx, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  });
}

/**
 * Scores by an ONNX graph: `features` float32 [N, inputs] in, `failure_prob` [N, 3] and `failure_type_prob` [N, 5]
 * out. Batches have one fixed shape, padded with NaN, and their tensors are reused; one inference runs at a time.
 */
export class OnnxScorer implements Scorer {
  readonly modelVersion: string;
  readonly featureSet: string;
  readonly runId: string | null;
  readonly digest: string;
  readonly card: ModelCard;
  /** Measured on the golden batch. */
  explanationMs: number | null = null;
  private readonly predictions = new PredictionArrays();
  private readonly input: Float32Array;
  private readonly failureProb = new Float32Array(BATCH_ROWS * HORIZONS);
  private readonly typeProb = new Float32Array(BATCH_ROWS * TYPES);
  private readonly feeds: InferenceSession.FeedsType;
  private readonly fetches: InferenceSession.FetchesType;
  private readonly width: number;
  /** The last call's end: calls queue up behind it. */
  private tail: Promise<unknown> = Promise.resolve();

  private constructor(
    { card, manifest, digest }: ModelFiles,
    readonly explainer: Explainer | null,
    private readonly session: InferenceSession,
    runId: string | null,
  ) {
    this.card = card;
    this.digest = digest;
    this.runId = runId ?? manifest?.run_id ?? null;
    this.modelVersion = card.model_version;
    this.featureSet = card.feature_set;
    this.width = card.features.length;
    this.input = new Float32Array(BATCH_ROWS * this.width).fill(NaN);
    this.feeds = { features: new Tensor('float32', this.input, [BATCH_ROWS, this.width]) };
    this.fetches = {
      failure_prob: new Tensor('float32', this.failureProb, [BATCH_ROWS, HORIZONS]),
      failure_type_prob: new Tensor('float32', this.typeProb, [BATCH_ROWS, TYPES]),
    };
  }

  /**
   * Loads a model directory, tries the model on empty rows and has it compute its golden batch.
   * @param runId training run, where a registry names it; else it is the manifest's
   * @throws ActuaryError model_missing, model_corrupt, model_mismatch or model_golden
   */
  static async load(directory: string, runId: string | null = null): Promise<OnnxScorer> {
    const files = await readModel(directory);
    const explainer = await Explainer.load(join(directory, 'model.json'), files.card.features);
    let session: InferenceSession;
    try {
      session = await createSession(files.onnx);
    } catch (error) {
      throw new ActuaryError(
        'model_corrupt',
        `${directory}: model.onnx does not load: ${messageOf(error)}. Make it anew with \`npm run train\`.`,
        { cause: error },
      );
    }
    const scorer = new OnnxScorer(files, explainer, session, runId);
    try {
      await scorer.probe();
    } catch (error) {
      await session.release();
      throw new ActuaryError(
        'model_mismatch',
        `${directory}: model.onnx is not a failure model of ${scorer.width} features: ${messageOf(error)}. ` +
          'Expected: input features [N, inputs], outputs failure_prob [N, 3], rising, and failure_type_prob [N, 5].',
        { cause: error },
      );
    }
    try {
      if (files.golden !== null) {
        await checkGolden(scorer, files.golden, directory);
        if (explainer !== null) scorer.explanationMs = await explanationMs(explainer, rowsOf(files.golden.features));
      }
    } catch (error) {
      await session.release();
      throw error;
    }
    return scorer;
  }

  score(rows: FeatureRows): Promise<Predictions> {
    const result = this.tail.then(() => this.scoreAll(rows));
    this.tail = result.catch(() => undefined);
    return result;
  }

  confidence(prob30d: number, coverage: number): number {
    return calibratedConfidence(this.card.calibration_30d, prob30d, coverage);
  }

  async close(): Promise<void> {
    await this.tail;
    await this.session.release();
  }

  private async scoreAll(rows: FeatureRows): Promise<Predictions> {
    const out = this.predictions;
    out.reset(rows.count);
    for (let first = 0; first < rows.count; first += BATCH_ROWS) {
      const count = Math.min(BATCH_ROWS, rows.count - first);
      this.fill(rows, first, count);
      // run() waits for a turn of the event loop before it blocks it.
      await this.session.run(this.feeds, this.fetches);
      this.read(out, first, count);
    }
    return out;
  }

  private fill(rows: FeatureRows, first: number, count: number): void {
    const { input, width } = this;
    for (let row = 0; row < count; row++) {
      const from = (first + row) * FEATURE_COUNT;
      for (let column = 0; column < width; column++) input[row * width + column] = rows.values[from + column];
    }
    input.fill(NaN, count * width);
  }

  private read(out: PredictionArrays, first: number, count: number): void {
    const { failureProb, typeProb } = this;
    for (let row = 0; row < count; row++) {
      const prob7d = failureProb[row * HORIZONS];
      const prob30d = failureProb[row * HORIZONS + 1];
      const prob90d = failureProb[row * HORIZONS + 2];
      if (!(prob7d >= 0 && prob7d <= prob30d && prob30d <= prob90d && prob90d <= 1))
        throw new Error(`failure_prob [${prob7d}, ${prob30d}, ${prob90d}] is no rising row of probabilities`);
      out.prob7d[first + row] = prob7d;
      out.prob30d[first + row] = prob30d;
      out.prob90d[first + row] = prob90d;
      let best = 0;
      for (let type = 1; type < TYPES; type++)
        if (typeProb[row * TYPES + type] > typeProb[row * TYPES + best]) best = type;
      out.type[first + row] = best;
      out.typeProb[first + row] = typeProb[row * TYPES + best];
    }
  }

  /** Names, shapes and order of the outputs, on rows without a single reading. */
  private async probe(): Promise<void> {
    for (const [kind, names, expected] of [
      ['input', this.session.inputNames, ['features']],
      ['output', this.session.outputNames, ['failure_prob', 'failure_type_prob']],
    ] as const)
      for (const name of expected) if (!names.includes(name)) throw new Error(`no ${kind} ${name}`);
    await this.session.run(this.feeds, this.fetches);
    this.predictions.reset(BATCH_ROWS);
    this.read(this.predictions, 0, BATCH_ROWS);
  }
}
