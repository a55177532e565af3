import { DAY_MS, floorHour, HOUR_MS, MINUTE_MS } from '../../schema/clock.js';
import type { SampleBatch } from '../../schema/batch.js';
import { S, SERIES } from '../../schema/metrics.js';
import type { Cell } from './tables.js';

/** Series that gpu_metrics has columns for: all but NVLink's, which are a hundred. */
export const METRIC_SERIES = SERIES.filter(({ id }) => id < S.nvlinkFirst);
export const METRIC_COLUMNS: readonly string[] = [
  'gpu_uuid',
  'as_of',
  'samples',
  ...METRIC_SERIES.map(({ name }) => name),
];
const WIDTH = METRIC_SERIES.length;
const IS_MEAN = METRIC_SERIES.map(({ kind }) => kind === 'gauge' || kind === 'input');

/** Lengths of event time that a row stands for: a minute, or each event time by itself. */
export const ROW_MS = { minute: MINUTE_MS, raw: 1 } as const;
/** A GPU that the log has not heard of for so long has its open row written: no later reading may ever come. */
const SILENT_MS = HOUR_MS;
/** After so long nothing of the GPU's past is taken by ingest either (ingest.maxAgeDays, by default). */
const FORGOTTEN_MS = 8 * DAY_MS;

interface OpenRow {
  readonly startMs: number;
  /** Offset of the batch that opened it: from there it can be rebuilt. */
  readonly offset: number;
  samples: number;
  readonly sums: Float64Array;
  readonly counts: Uint32Array;
}

interface Gpu {
  readonly lastMs: Float64Array;
  newestMs: number;
  lastSampleMs: number;
  open: OpenRow | null;
  /** Start of the last row that was written. */
  writtenMs: number;
  /** Newest record timestamp of its batches. */
  heardMs: number;
}

/**
 * One row a GPU and minute from the batches of one partition: means of gauges, last values of counters and states,
 * under the windows' order rule: of a metric only event times after its last one, none before the hour of the GPU's
 * newest reading. A row is given when a reading of a later minute is seen, or when the log has gone on for an hour
 * without the GPU.
 */
export class MinuteRows {
  private readonly gpus = new Map<string, Gpu>();
  /** Newest record timestamp: the clock of the log, the same whenever it is read; and which record set it. */
  private logMs = -Infinity;
  private logOffset = Infinity;
  private sweptMs = -Infinity;

  /**
   * @param closed takes each finished row, with the offset of the batch that finished it
   * @param rowMs length of a row in event time, one of {@link ROW_MS}
   */
  constructor(
    private readonly closed: (cells: Cell[], offset: number) => void,
    private readonly rowMs: number = ROW_MS.minute,
  ) {}

  /** @param timestampMs of the record that held the batch */
  add(batch: SampleBatch, offset: number, timestampMs: number): void {
    if (timestampMs >= this.logMs) {
      this.logMs = timestampMs;
      this.logOffset = offset;
    }
    for (let row = 0; row < batch.count; row++) this.sample(batch, row, offset, timestampMs);
    this.sweep(offset);
  }

  /** Offset from which all open rows, and the clock of the log, can be rebuilt; at most `next`. */
  rebuildFrom(next: number): number {
    let from = Math.min(next, this.logOffset);
    for (const { open } of this.gpus.values()) if (open !== null && open.offset < from) from = open.offset;
    return from;
  }

  /** Writes the open rows of GPUs that fell silent, and forgets those of which nothing late can come any more. */
  private sweep(offset: number): void {
    // At whole minutes of the log's clock: so a rebuilt state sweeps where the first one did.
    const nowMs = Math.floor(this.logMs / MINUTE_MS) * MINUTE_MS;
    if (!(nowMs > this.sweptMs)) return;
    this.sweptMs = nowMs;
    for (const [uuid, gpu] of this.gpus) {
      const silentMs = nowMs - gpu.heardMs;
      if (silentMs < SILENT_MS) continue;
      if (gpu.open !== null) this.close(uuid, gpu, offset);
      if (silentMs >= FORGOTTEN_MS) this.gpus.delete(uuid);
    }
  }

  private sample(batch: SampleBatch, row: number, offset: number, timestampMs: number): void {
    const uuid = batch.gpus[batch.gpuIndex[row]];
    const timeMs = batch.eventTimeMs[row];
    const gpu = this.gpuOf(uuid);
    gpu.heardMs = Math.max(gpu.heardMs, timestampMs);
    if (timeMs < floorHour(gpu.newestMs)) return;
    const startMs = Math.floor(timeMs / this.rowMs) * this.rowMs;
    for (let index = 0; index < WIDTH; index++) {
      const value = batch.columns[METRIC_SERIES[index].id]?.[row];
      if (value === undefined || value !== value || !(timeMs > gpu.lastMs[index])) continue;
      gpu.lastMs[index] = timeMs;
      // A metric that lags behind its GPU's row finds it gone.
      if (startMs <= gpu.writtenMs || (gpu.open !== null && startMs < gpu.open.startMs)) continue;
      const open = this.openRow(uuid, gpu, startMs, offset);
      open.sums[index] = IS_MEAN[index] ? open.sums[index] + value : value;
      open.counts[index]++;
      if (timeMs > gpu.newestMs) gpu.newestMs = timeMs;
      if (timeMs !== gpu.lastSampleMs) {
        gpu.lastSampleMs = timeMs;
        open.samples++;
      }
    }
  }

  private openRow(uuid: string, gpu: Gpu, startMs: number, offset: number): OpenRow {
    if (gpu.open !== null && gpu.open.startMs === startMs) return gpu.open;
    if (gpu.open !== null) this.close(uuid, gpu, offset);
    gpu.open = { startMs, offset, samples: 0, sums: new Float64Array(WIDTH), counts: new Uint32Array(WIDTH) };
    return gpu.open;
  }

  private close(uuid: string, gpu: Gpu, offset: number): void {
    this.closed(cellsOf(uuid, gpu.open!), offset);
    gpu.writtenMs = gpu.open!.startMs;
    gpu.open = null;
  }

  private gpuOf(uuid: string): Gpu {
    let gpu = this.gpus.get(uuid);
    if (gpu === undefined) {
      gpu = {
        lastMs: new Float64Array(WIDTH).fill(-Infinity),
        newestMs: -Infinity,
        lastSampleMs: NaN,
        open: null,
        writtenMs: -Infinity,
        heardMs: -Infinity,
      };
      this.gpus.set(uuid, gpu);
    }
    return gpu;
  }
}

function cellsOf(uuid: string, { startMs, samples, sums, counts }: OpenRow): Cell[] {
  const cells: Cell[] = [uuid, new Date(startMs).toISOString(), samples];
  for (let index = 0; index < WIDTH; index++)
    cells.push(counts[index] === 0 ? null : IS_MEAN[index] ? sums[index] / counts[index] : sums[index]);
  return cells;
}
