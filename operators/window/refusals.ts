import { S, SERIES } from '../../schema/metrics.js';
import type { ReadingReason, RejectReading } from '../../schema/outcome.js';
import { isoTime } from '../../schema/records.js';

const NO_READINGS: Readonly<Record<string, number>> = Object.freeze({});

/** What order refuses of the sample at hand: each metric is told once, and what is late kept for its dead letter. */
export class Refusals {
  private late: Record<string, number> | undefined;
  private refusedMetric = '';

  /** Late readings of the sample at hand, by series. */
  get lateReadings(): Readonly<Record<string, number>> {
    return this.late ?? NO_READINGS;
  }

  get anyLate(): boolean {
    return this.late !== undefined;
  }

  /** Another sample is at hand. */
  begin(): void {
    this.late = undefined;
    this.refusedMetric = '';
  }

  /**
   * @param ms event time of the reading
   * @param lastMs of the last one of its series that was accepted
   * @param newestMs of the newest one of its GPU
   */
  refuse(
    gpuUuid: string,
    series: number,
    value: number,
    ms: number,
    lastMs: number,
    newestMs: number,
    reject: RejectReading,
  ): void {
    const { metric, name } = SERIES[series];
    const reason: ReadingReason = ms === lastMs ? 'duplicate' : 'late';
    if (reason === 'late') (this.late ??= {})[name] = value;
    const reported = series === S.fbUsed ? 'memory_util' : metric;
    const key = reason + reported;
    if (key === this.refusedMetric) return;
    this.refusedMetric = key;
    reject(reason, gpuUuid, reported, why(reason, ms, lastMs, newestMs));
  }
}

function why(reason: ReadingReason, ms: number, lastMs: number, newestMs: number): string {
  const time = isoTime(ms);
  if (reason === 'duplicate') return `a second reading at ${time}`;
  if (lastMs > ms) return `${time} is before the last accepted reading at ${isoTime(lastMs)}`;
  return `${time} is in a closed hour; the newest accepted reading is of ${isoTime(newestMs)}`;
}
