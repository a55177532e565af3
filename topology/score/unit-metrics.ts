import type { Clock } from '../../schema/clock.js';
import { RejectionCounter, type Instruments } from '../instruments.js';
import type { ScoreUnit } from './folding.js';
import type { OwnedPartitions } from './owned-partitions.js';

export interface UnitMetricsParts {
  readonly instruments: Instruments;
  readonly clock: Clock;
  readonly partitions: OwnedPartitions;
  /** Of which {@link UnitMetrics.folded} tells what is used. */
  readonly bufferBytes: number;
  /** Records that are there to be read. */
  readonly lag: () => number;
}

/** Tells of units of work: what they hold while they are on their way, and what they came to once they are committed. */
export class UnitMetrics {
  private readonly rejections = new RejectionCounter();
  /** Outputs of units that are not committed yet. */
  private outputBytes = 0;

  constructor(private readonly parts: UnitMetricsParts) {}

  /** Counts readings that were refused; told with the next unit that is committed. */
  get reject(): RejectionCounter['reject'] {
    return this.rejections.reject;
  }

  folded(readBytes: number, { work }: ScoreUnit): void {
    const { instruments, partitions, bufferBytes } = this.parts;
    instruments.buffered('score', readBytes + partitions.rowBytes + work.bytes + this.outputBytes, bufferBytes);
  }

  answered({ work }: ScoreUnit): void {
    this.outputBytes += work.bytes;
  }

  /** It was written, or is void. */
  ended({ work }: ScoreUnit): void {
    this.outputBytes -= work.bytes;
  }

  committed(unit: ScoreUnit): void {
    const { clock, instruments, partitions, lag } = this.parts;
    for (const [topic, count] of unit.work.counts) instruments.recordsWritten(topic, count);
    if (unit.samples === 0) return;
    this.rejections.flush((reason, count) => instruments.readingsRejected(reason, count));
    if (unit.work.lateSamples > 0) instruments.deadLettered('late', unit.work.lateSamples);
    const now = clock.now();
    instruments.scored({
      samples: unit.samples,
      rows: unit.rows,
      skippedDuePoints: unit.skipped,
      longestWaitSeconds: unit.waitedMs / 1000,
      modelSeconds: unit.modelSeconds,
      unitSeconds: (now - unit.startedMs) / 1000,
      newestMs: unit.newestMs,
      latencySeconds: (now - unit.oldestMs) / 1000,
    });
    const { gpus, bytes } = partitions.windows();
    instruments.gpusTracked(gpus, bytes);
    instruments.lag('score', lag());
  }
}
