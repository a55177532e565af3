import type { FeatureRows } from '../schema/features.js';
import type { Explainer } from './explain/explainer.js';

/** Predictions of a block of feature rows, struct of arrays, in the rows' order. */
export interface Predictions {
  readonly count: number;
  /** Cumulative probabilities of failure within 7, 30 and 90 days; never falling from one to the next. */
  readonly prob7d: Float64Array;
  readonly prob30d: Float64Array;
  readonly prob90d: Float64Array;
  /** Index into FAILURE_TYPES, 255 where the scorer names no type. */
  readonly type: Uint8Array;
  /** Probability of that type given a failure; NaN where no type is named. */
  readonly typeProb: Float64Array;
}

/** What turns features into failure odds: an ONNX model, or the heuristic where none is configured. */
export interface Scorer {
  readonly modelVersion: string;
  /** Training run that made it, as the tracking server names it; null where that is not known. */
  readonly runId: string | null;
  /** Names the model's very files: two models of one digest are one. */
  readonly digest: string;
  /** Feature set of the model's inputs. */
  readonly featureSet: string;
  /** Says what moves its predictions; null where it cannot: by rule of thumb, or without its trees. */
  readonly explainer: Explainer | null;
  /** What naming the factors of a row takes, ms; null where that is not known. */
  readonly explanationMs: number | null;
  /** Scores all rows; resolves once. The result is the caller's until the next call. */
  score(rows: FeatureRows): Promise<Predictions>;
  /**
   * Confidence in a 30-day probability, 0–1, from the data's coverage and the model's calibrated interval.
   * @param prob30d predicted probability
   * @param coverage share of the window's evidence that is there, 0–1
   */
  confidence(prob30d: number, coverage: number): number;
  close(): Promise<void>;
}
