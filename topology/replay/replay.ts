import type { Decoder } from '../../operators/decode/decoder.js';
import { judgeTime, type TimeLimits } from '../../operators/judge-time.js';
import { ACCEPTED, type Windows } from '../../operators/window/window.js';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import { S, SERIES } from '../../schema/metrics.js';
import { isoTime } from '../../schema/records.js';
import { RowBlock } from '../score/rows.js';
import type { AsOf } from './as-of.js';

/** A line of input as a message: its number, its bytes, its time where the shape carries none of its own. */
export interface InputMessage {
  readonly line: number;
  readonly value: Buffer;
  readonly timestampMs: number;
}

export interface RejectedLine {
  readonly line: number;
  readonly reason: string;
  readonly gpu_uuid: string | null;
  readonly metric: string | null;
  readonly detail: string;
}

export interface ReplayOptions {
  readonly decoder: Decoder;
  readonly windows: Windows;
  readonly asOf: AsOf;
  /** Reference for future and past; null: event times are not judged. */
  readonly nowMs: number | null;
  readonly limits: TimeLimits;
  readonly rejected: (line: RejectedLine) => void;
  /** Takes rows whenever there are many, and at the end. */
  readonly evaluate: (rows: RowBlock) => Promise<void>;
}

const SAMPLES_PER_BATCH = 4096;
const ROWS_PER_BLOCK = 4096;
const FRAMEBUFFER_INPUTS = new Set<number>([S.fbUsed, S.fbFree, S.fbReserved, S.fbTotal]);

/**
 * The engine's operators over a file, without a broker: deterministic, one pass, in the order of the lines. Each GPU
 * is evaluated at the event times that `asOf` asks for, from its readings up to them.
 */
export class Replay {
  private readonly builder = new BatchBuilder(SAMPLES_PER_BATCH);
  private readonly rows = new RowBlock(ROWS_PER_BLOCK);
  /** Per slot: epoch ms up to which the GPU was evaluated; NaN where it was not. */
  /** By slot: which of its listed times comes next. */
  private readonly listedNext: number[] = [];
  private readonly evaluatedMs: number[] = [];
  private currentLine = 0;

  constructor(private readonly options: ReplayOptions) {}

  /** Takes one message in. */
  async take(message: InputMessage): Promise<void> {
    const { decoder, rejected } = this.options;
    this.currentLine = message.line;
    this.builder.from('replay', 0, message.line);
    const outcome = decoder.decode(
      {
        topic: 'replay',
        partition: 0,
        offset: message.line,
        timestampMs: message.timestampMs,
        key: null,
        value: message.value,
      },
      this.builder,
      (reason, gpuUuid, metric, detail) => rejected({ line: message.line, reason, gpu_uuid: gpuUuid, metric, detail }),
    );
    if (outcome.kind === 'dead-letter')
      rejected({ line: message.line, reason: outcome.code, gpu_uuid: null, metric: null, detail: outcome.detail });
    if (this.builder.length >= SAMPLES_PER_BATCH) await this.fold();
  }

  /** Evaluates what is due at the end of the input. */
  async finish(): Promise<void> {
    await this.fold();
    const { windows, asOf } = this.options;
    for (let slot = 0; slot < windows.size; slot++) {
      const newestMs = windows.newestMs(slot);
      if (Number.isNaN(newestMs)) continue;
      if (asOf.kind === 'last') this.row(slot, newestMs, newestMs);
      // A whole period that the newest reading hits exactly counts; those after it do not.
      else if (asOf.kind === 'every') this.upTo(slot, newestMs + 1);
      else if (asOf.kind === 'listed') this.listedUpTo(slot, Infinity);
      else if (newestMs <= asOf.timeMs && Number.isNaN(this.evaluatedMs[slot] ?? NaN))
        this.row(slot, asOf.timeMs, newestMs);
      if (this.rows.count >= ROWS_PER_BLOCK) await this.flush();
    }
    await this.flush();
  }

  private async fold(): Promise<void> {
    const batch = this.builder.build();
    const { windows } = this.options;
    for (let row = 0; row < batch.count; row++) {
      const line = batch.originOffset[row];
      this.currentLine = line;
      if (this.refusedByTime(batch, row)) continue;
      const slot = windows.slotOf(batch.gpus[batch.gpuIndex[row]]);
      if (this.hasReading(batch, row, slot)) this.before(slot, batch.eventTimeMs[row]);
      const result = windows.accept(batch, row, slot, this.reject);
      if ((result & ACCEPTED) === 0) continue;
      if (this.rows.count >= ROWS_PER_BLOCK) await this.flush();
    }
  }

  /** Evaluates what lies before the next reading of a GPU. */
  private before(slot: number, nextMs: number): void {
    const { windows, asOf } = this.options;
    const newestMs = windows.newestMs(slot);
    if (Number.isNaN(newestMs) || nextMs <= newestMs) return;
    if (asOf.kind === 'every') this.upTo(slot, nextMs);
    else if (asOf.kind === 'listed') this.listedUpTo(slot, nextMs);
    else if (
      asOf.kind === 'at' &&
      nextMs > asOf.timeMs &&
      newestMs <= asOf.timeMs &&
      Number.isNaN(this.evaluatedMs[slot] ?? NaN)
    )
      this.row(slot, asOf.timeMs, newestMs);
  }

  /** All multiples of the period after what was evaluated, else after the first reading, and before `endMs`. */
  private upTo(slot: number, endMs: number): void {
    const { windows, asOf } = this.options;
    if (asOf.kind !== 'every') return;
    const done = this.evaluatedMs[slot] ?? NaN;
    const from = Number.isNaN(done) ? windows.firstMs(slot) : done;
    for (let time = (Math.floor(from / asOf.periodMs) + 1) * asOf.periodMs; time < endMs; time += asOf.periodMs)
      this.row(slot, time, windows.newestMs(slot));
  }

  /** The GPU's own times from its newest reading on and before `endMs`. */
  private listedUpTo(slot: number, endMs: number): void {
    const { windows, asOf } = this.options;
    if (asOf.kind !== 'listed') return;
    const times = asOf.timesMs.get(windows.uuidOf(slot)) ?? [];
    const newestMs = windows.newestMs(slot);
    let next = this.listedNext[slot] ?? 0;
    for (; next < times.length && times[next] < endMs; next++)
      if (times[next] >= newestMs) this.row(slot, times[next], newestMs);
    this.listedNext[slot] = next;
  }

  private row(slot: number, asOfMs: number, newestMs: number): void {
    const row = this.rows.add(slot, asOfMs, newestMs, 0);
    this.options.windows.features(slot, asOfMs, this.rows.values, row * FEATURE_COUNT);
    this.rows.metadata[row] = this.options.windows.metadata(slot);
    this.evaluatedMs[slot] = asOfMs;
  }

  private async flush(): Promise<void> {
    if (this.rows.count > 0) await this.options.evaluate(this.rows);
    this.rows.clear();
  }

  private refusedByTime(batch: SampleBatch, row: number): boolean {
    const { nowMs, limits } = this.options;
    if (nowMs === null) return false;
    const code = judgeTime(batch.eventTimeMs[row], nowMs, limits);
    if (code === null) return false;
    const uuid = batch.gpus[batch.gpuIndex[row]];
    const detail = `event time ${isoTime(batch.eventTimeMs[row])}, now ${isoTime(nowMs)}`;
    const metrics = new Set<string>();
    for (let id = 0; id < batch.columns.length; id++) if (bears(batch, row, id)) metrics.add(SERIES[id].metric);
    for (const metric of metrics) this.reject(code, uuid, metric, detail);
    return true;
  }

  private readonly reject: (reason: string, gpuUuid: string | null, metric: string | null, detail: string) => void = (
    reason,
    gpuUuid,
    metric,
    detail,
  ) => this.options.rejected({ line: this.currentLine, reason, gpu_uuid: gpuUuid, metric, detail });

  /** Framebuffer inputs alone are no reading, unless memory_util follows from them. */
  private hasReading(batch: SampleBatch, row: number, slot: number): boolean {
    for (let id = 0; id < batch.columns.length; id++)
      if (bears(batch, row, id) && !FRAMEBUFFER_INPUTS.has(id)) return true;
    return (
      bears(batch, row, S.fbUsed) &&
      (bears(batch, row, S.fbTotal) || bears(batch, row, S.fbFree) || this.options.windows.hasMemoryTotal(slot))
    );
  }
}

function bears(batch: SampleBatch, row: number, series: number): boolean {
  const value = batch.columns[series]?.[row];
  return value !== undefined && value === value;
}
