import { concatMap, finalize, map, type Observable } from 'rxjs';
import { pulled, pulledAhead } from './pulled.js';

/**
 * The machine on one page. Each role is a pulled chain of stages over batches: the next poll is made when the last
 * one's offsets are committed (ingest and score are one unit ahead of that), and offsets are committed when the
 * outputs are acknowledged. What a stage does stands with the role that implements it; who is wired to whom, in
 * runtime.ts.
 *
 *   any DCGM shape ─► ingest ─► gpu.samples ─► score ─┬► gpu.features gpu.predictions gpu.health gpu.decisions ─► load ─► database
 *                       └─► gpu.dead-letter ◄─────────┴► gpu.panes                                             └► serve ─► HTTP
 */

/** Common to all chains: where work comes from, and who is told when a unit of it is done. */
interface Chain<Polled> {
  readonly poll: () => Promise<Polled>;
  /** The unit in hand is done, or failed: a rebalance may go on. */
  readonly settled: () => void;
  readonly stopping: () => boolean;
}

export interface IngestStages<Unit> extends Chain<Unit> {
  readonly putInOrder: (unit: Unit) => Unit;
  readonly publish: (unit: Unit) => Promise<Unit>;
  readonly commit: (unit: Unit) => Promise<void>;
}

/** Raw messages of one source to batches in gpu.samples. */
export function ingest<Unit>(stages: IngestStages<Unit>): Observable<void> {
  return pulledAhead(
    // As they come, bytes become samples; what gives no sample becomes a dead letter.
    stages.poll,
    // Partitions in step by event time, then re-keyed: one batch for each partition of gpu.samples.
    (polled) => polled.pipe(map(stages.putInOrder)),
    // While the broker acknowledges one unit's batches the next is decoded; nothing of it is written before.
    (unit) => unit.pipe(concatMap(stages.publish), concatMap(stages.commit), finalize(stages.settled)),
    stages.stopping,
  );
}

export interface ScoreStages<Polled, Unit> extends Chain<Polled> {
  readonly fold: (polled: Polled) => Promise<Unit>;
  readonly score: (unit: Unit) => Promise<Unit>;
  readonly publish: (unit: Unit) => Promise<Unit>;
  readonly commit: (unit: Unit) => Promise<void>;
}

/** gpu.samples to panes, features, predictions, health and decisions. */
export function score<Polled, Unit>(stages: ScoreStages<Polled, Unit>): Observable<void> {
  return pulledAhead(
    stages.poll,
    (polled) =>
      polled.pipe(
        // Into the windows, sample by sample; what is due is collected as rows of features.
        concatMap(stages.fold),
        // The model speaks on all rows at once; health and decisions follow from the same rows.
        concatMap(stages.score),
      ),
    // While the broker acknowledges one unit's outputs the next is folded; nothing of it is written before.
    (unit) => unit.pipe(concatMap(stages.publish), concatMap(stages.commit), finalize(stages.settled)),
    stages.stopping,
  );
}

export interface LoadStages<Polled, Unit> extends Chain<Polled> {
  readonly toRows: (polled: Polled) => Promise<Unit>;
  readonly copy: (unit: Unit) => Promise<Unit>;
  readonly commit: (unit: Unit) => Promise<void>;
}

/** Outputs and gpu.samples to the database. */
export function load<Polled, Unit>(stages: LoadStages<Polled, Unit>): Observable<void> {
  return pulled(
    stages.poll,
    (polled) =>
      polled.pipe(
        concatMap(stages.toRows),
        // Rows and offsets in one database transaction; the group's offsets, afterwards, are for lag monitors.
        concatMap(stages.copy),
        concatMap(stages.commit),
        finalize(stages.settled),
      ),
    stages.stopping,
  );
}
