import { DAY_MS } from '../schema/clock.js';
import { murmur2 } from '../schema/partition.js';
import type { ByteWriter } from '../schema/state-bytes.js';

/**
 * When a GPU is due for something. Event time alone triggers: a GPU is due when its newest event time passes a
 * multiple of a period, at the very sample that passes it, so that how samples are batched never shows.
 */

/** Bits of what a sample makes due. */
export const DUE_SCORE = 1;
export const DUE_FEATURES = 2;
export const DUE_HEARTBEAT = 4;
export const DUE_HEALTH = 8;
export const DUE_DECISION = 16;
/** An hour of the GPU was closed by this sample. */
export const DUE_PANE = 32;
/** The GPU fell silent: not its sample, but the wall clock made it due. */
export const DUE_ABSENCE = 64;

/** What of {@link dueBits} needs the model to speak. */
export const NEEDS_SCORE = DUE_SCORE | DUE_HEARTBEAT | DUE_HEALTH | DUE_DECISION;

/** Periods in event time, ms. */
export interface Schedule {
  readonly scoreEveryMs: number;
  readonly featuresEveryMs: number;
  readonly heartbeatMs: number;
  readonly healthEveryMs: number;
}

/** Whether event time passed a multiple of a period, shifted by an offset. The first reading ever passes every one. */
export function passes(beforeMs: number, nowMs: number, everyMs: number, offsetMs = 0): boolean {
  if (Number.isNaN(beforeMs)) return true;
  return Math.floor((nowMs - offsetMs) / everyMs) > Math.floor((beforeMs - offsetMs) / everyMs);
}

/** Spreads the heartbeats of a fleet over the period, the same at every run. */
export function heartbeatOffsetMs(gpuUuid: string, heartbeatMs: number): number {
  return (murmur2(Buffer.from(gpuUuid, 'utf8')) >>> 0) % heartbeatMs;
}

/**
 * @param beforeMs the GPU's newest event time before the sample, NaN if there was none
 * @param nowMs the newest event time with the sample
 * @returns bits DUE_…; without DUE_PANE, which the windows know
 */
export function dueBits(beforeMs: number, nowMs: number, schedule: Schedule, heartbeatOffset: number): number {
  let due = 0;
  if (passes(beforeMs, nowMs, schedule.scoreEveryMs)) due |= DUE_SCORE;
  if (passes(beforeMs, nowMs, schedule.featuresEveryMs)) due |= DUE_FEATURES;
  if (passes(beforeMs, nowMs, schedule.heartbeatMs, heartbeatOffset)) due |= DUE_HEARTBEAT;
  if (passes(beforeMs, nowMs, schedule.healthEveryMs)) due |= DUE_HEALTH;
  // Decisions are daily, at midnight UTC.
  if (passes(beforeMs, nowMs, DAY_MS)) due |= DUE_DECISION;
  return due;
}

/**
 * When the GPUs of a partition are next due: what {@link dueBits} says, without a division for every sample. A
 * function of the event times seen; a GPU not seen yet is due for everything.
 */
export class DueTimes {
  private nextScoreMs = new Float64Array(0);
  /** The earliest of everything else. */
  private nextOtherMs = new Float64Array(0);
  private heartbeatOffsetMs = new Float64Array(0);

  constructor(private readonly schedule: Schedule) {}

  /** Makes a slot that of a GPU not seen yet. */
  init(slot: number, gpuUuid: string): void {
    if (slot >= this.nextScoreMs.length) {
      const capacity = Math.max(64, 2 ** Math.ceil(Math.log2(slot + 1)));
      this.nextScoreMs = larger(this.nextScoreMs, capacity);
      this.nextOtherMs = larger(this.nextOtherMs, capacity);
      this.heartbeatOffsetMs = larger(this.heartbeatOffsetMs, capacity);
    }
    this.nextScoreMs[slot] = -Infinity;
    this.nextOtherMs[slot] = -Infinity;
    this.heartbeatOffsetMs[slot] = heartbeatOffsetMs(gpuUuid, this.schedule.heartbeatMs);
  }

  /** Makes a slot that of a GPU seen up to a time, −Infinity for none: what it is due for next follows from that. */
  restore(slot: number, gpuUuid: string, newestMs: number): void {
    this.init(slot, gpuUuid);
    if (newestMs === -Infinity) return;
    this.nextScoreMs[slot] = following(newestMs, this.schedule.scoreEveryMs, 0);
    this.nextOtherMs[slot] = this.followingOther(slot, newestMs);
  }

  /** Writes when a GPU is next due, to compare it. */
  encode(slot: number, writer: ByteWriter): void {
    writer.float64(this.nextScoreMs[slot]);
    writer.float64(this.nextOtherMs[slot]);
  }

  /**
   * Bits of what a sample makes due, as {@link dueBits}. To be asked once for each sample that is the GPU's newest.
   * Times are given by their places: numbers would be allocated for the call, of which there is one a sample.
   * @param beforeMs the GPU's newest event time before the sample, at place `before`
   * @param eventTimeMs its event time, at place `row`
   */
  take(slot: number, beforeMs: Float64Array, before: number, eventTimeMs: Float64Array, row: number): number {
    const { schedule } = this;
    const nowMs = eventTimeMs[row];
    let due = 0;
    if (nowMs >= this.nextScoreMs[slot]) {
      due = DUE_SCORE;
      this.nextScoreMs[slot] = following(nowMs, schedule.scoreEveryMs, 0);
    }
    if (nowMs >= this.nextOtherMs[slot]) {
      due |= dueBits(beforeMs[before], nowMs, schedule, this.heartbeatOffsetMs[slot]);
      this.nextOtherMs[slot] = this.followingOther(slot, nowMs);
    }
    return due;
  }

  private followingOther(slot: number, nowMs: number): number {
    const { schedule } = this;
    return Math.min(
      following(nowMs, schedule.featuresEveryMs, 0),
      following(nowMs, schedule.heartbeatMs, this.heartbeatOffsetMs[slot]),
      following(nowMs, schedule.healthEveryMs, 0),
      following(nowMs, DAY_MS, 0),
    );
  }
}

/** The first time after `nowMs` that is a multiple of a period, shifted by an offset. */
function following(nowMs: number, everyMs: number, offsetMs: number): number {
  return (Math.floor((nowMs - offsetMs) / everyMs) + 1) * everyMs + offsetMs;
}

function larger(array: Float64Array<ArrayBuffer>, capacity: number): Float64Array<ArrayBuffer> {
  const copy = new Float64Array(capacity);
  copy.set(array);
  return copy;
}
