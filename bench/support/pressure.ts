import { setTimeout as delay } from 'node:timers/promises';
import type { EngineProcesses } from './engine-process.js';
import { byLabel, sumOf, type Series } from './exposition.js';
import { significant } from './statistics.js';
import { usageOf } from './usage.js';

const LOOK_EVERY_MS = 500;
/** Of the memory over time that is told. */
const TOLD_EVERY_MS = 5_000;
/** Nothing done for so long, and nothing to be done: all is through. */
const AT_REST_MS = 1_200;
/** Nothing done for so long: it will not be. */
const STALLED_MS = 60_000;
/** Share of a stretch that is left out of its rate: starting and compiling lie in it. */
const WARM_UP = 0.2;

/** What was seen of an engine at one moment, its processes together. */
interface Look {
  readonly atMs: number;
  /** Samples that score is through with, those that it read again included; and those that ingest made. */
  readonly done: number;
  readonly ingested: number;
  readonly rssMb: number;
  readonly lag: Readonly<Record<string, number>>;
  readonly bufferedMb: number;
  readonly bufferLimitMb: number;
  readonly skipped: number;
  readonly waitSeconds: number;
  readonly latenessSeconds: number;
  readonly latencySeconds: number;
}

/** A stretch of a run, for the result. */
export interface Stretch {
  readonly seconds: number;
  readonly samples: number;
  /** Without the first fifth of the samples. */
  readonly samplesPerSecond: number;
  readonly peakRssMb: number;
  /** Every 5 s. */
  readonly rssMb: readonly number[];
  readonly peakBufferedMb: number;
  readonly bufferLimitMb: number;
  readonly mostLagRecords: Readonly<Record<string, number>>;
  readonly duePointsSkipped: number;
  readonly longestWaitSeconds: number;
  /** How old the newest reading was that predictions were made of. */
  readonly latenessSeconds: { readonly first: number; readonly most: number; readonly last: number };
  readonly latencyMaxSeconds: number;
}

/** Watches memory, lag and freshness of an engine from outside, stretch by stretch. */
export class Pressure {
  private looks: Look[] = [];
  private looking: Promise<void>;
  private over = false;

  constructor(private readonly engine: EngineProcesses) {
    this.looking = this.look();
  }

  /** Begins a stretch. */
  begin(): void {
    this.looks = this.looks.slice(-1);
  }

  /**
   * Resolves when ingest has made so many samples since it was started, and score is through with them. What score reads
   * again after its start it counts again, so its own count would not tell.
   * @throws Error where nothing moves any more
   */
  async until(samples: number): Promise<void> {
    let movedMs = Date.now();
    let before = { done: -1, ingested: -1 };
    for (;;) {
      const last: Pick<Look, 'done' | 'ingested' | 'lag'> = this.looks.at(-1) ?? { ...before, lag: {} };
      const { done, ingested, lag } = last;
      if (done > before.done || ingested > before.ingested) movedMs = Date.now();
      before = { done, ingested };
      const isAtRest = Date.now() - movedMs > AT_REST_MS && lag.score === 0;
      if (ingested >= samples && isAtRest) return;
      if (Date.now() - movedMs > STALLED_MS)
        throw new Error(
          `${ingested} of ${samples} samples are done, and none more: ${this.engine.all.map(({ running }) => running.output()).join('\n')}`,
        );
      await delay(LOOK_EVERY_MS / 2);
    }
  }

  /** Ends a stretch. */
  stretch(): Stretch {
    const { looks } = this;
    const [first, last] = [looks[0], looks.at(-1)!];
    const samples = last.done - first.done;
    const warm = looks.find(({ done }) => done >= first.done + WARM_UP * samples)!;
    // What comes after the last sample is no part of the rate.
    const end = looks.find(({ done }) => done === last.done)!;
    const most = (of: (look: Look) => number): number => Math.max(...looks.map(of));
    const told: number[] = [];
    let nextMs = first.atMs;
    for (const { atMs, rssMb } of looks)
      if (atMs >= nextMs) {
        told.push(Math.round(rssMb));
        nextMs += TOLD_EVERY_MS;
      }
    const roles = Object.keys(last.lag);
    return {
      seconds: significant((end.atMs - first.atMs) / 1000, 3),
      samples,
      samplesPerSecond: significant((1000 * (end.done - warm.done)) / Math.max(1, end.atMs - warm.atMs)),
      peakRssMb: Math.round(most(({ rssMb }) => rssMb)),
      rssMb: told,
      peakBufferedMb: significant(
        most(({ bufferedMb }) => bufferedMb),
        3,
      ),
      bufferLimitMb: significant(last.bufferLimitMb, 3),
      mostLagRecords: Object.fromEntries(roles.map((role) => [role, most(({ lag }) => lag[role] ?? 0)])),
      duePointsSkipped: last.skipped - first.skipped,
      longestWaitSeconds: significant(
        most(({ waitSeconds }) => waitSeconds),
        3,
      ),
      latenessSeconds: {
        first: significant(first.latenessSeconds, 3),
        most: significant(
          most(({ latenessSeconds }) => latenessSeconds),
          3,
        ),
        last: significant(last.latenessSeconds, 3),
      },
      latencyMaxSeconds: significant(
        most(({ latencySeconds }) => latencySeconds),
        3,
      ),
    };
  }

  async end(): Promise<void> {
    this.over = true;
    await this.looking;
  }

  private async look(): Promise<void> {
    while (!this.over) {
      const all = await this.engine.metrics();
      this.looks.push(lookAt(all, this.rssMb()));
      await delay(LOOK_EVERY_MS);
    }
  }

  private rssMb(): number {
    return this.engine.all.reduce((sum, { running }) => sum + usageOf(running.child.pid!).rssMb, 0);
  }
}

function lookAt(all: readonly Series[], rssMb: number): Look {
  const worst = (name: string): number => Math.max(...all.map((series) => series.get(name) ?? 0));
  const megabytes = (name: string): number =>
    Object.values(byLabel(all, name, 'role')).reduce((sum, bytes) => sum + bytes, 0) / 1e6;
  return {
    atMs: performance.now(),
    done: sumOf(all, 'gpu_actuary_score_samples_total'),
    ingested: Object.values(byLabel(all, 'gpu_actuary_ingest_samples_total', 'source')).reduce((a, b) => a + b, 0),
    rssMb,
    lag: byLabel(all, 'gpu_actuary_lag_records', 'role'),
    bufferedMb: megabytes('gpu_actuary_buffered_bytes'),
    bufferLimitMb: megabytes('gpu_actuary_buffer_limit_bytes'),
    skipped: sumOf(all, 'gpu_actuary_score_due_points_skipped_total'),
    waitSeconds: worst('gpu_actuary_score_longest_wait_seconds'),
    latenessSeconds: worst('gpu_actuary_score_lateness_seconds'),
    latencySeconds: worst('gpu_actuary_score_latency_max_seconds'),
  };
}
