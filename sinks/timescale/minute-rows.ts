import { floorHour, MINUTE_MS } from '../../schema/clock.js';
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

interface OpenMinute {
  readonly minuteMs: number;
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
  open: OpenMinute | null;
}

/**
 * One row a GPU and minute from the batches of one partition: means of gauges, last values of counters and states,
 * under the windows' order rule: of a metric only event times after its last one, none before the hour of the GPU's
 * newest reading. A row is given when a reading of a later minute is seen.
 */
export class MinuteRows {
  private readonly gpus = new Map<string, Gpu>();

  /** @param closed takes each finished row, with the offset of the batch that finished it */
  constructor(private readonly closed: (cells: Cell[], offset: number) => void) {}

  add(batch: SampleBatch, offset: number): void {
    for (let row = 0; row < batch.count; row++) this.sample(batch, row, offset);
  }

  /** Offset from which all open minutes can be rebuilt; `next` where none is open. */
  rebuildFrom(next: number): number {
    let from = next;
    for (const { open } of this.gpus.values()) if (open !== null && open.offset < from) from = open.offset;
    return from;
  }

  private sample(batch: SampleBatch, row: number, offset: number): void {
    const uuid = batch.gpus[batch.gpuIndex[row]];
    const timeMs = batch.eventTimeMs[row];
    const gpu = this.gpuOf(uuid);
    if (timeMs < floorHour(gpu.newestMs)) return;
    const minuteMs = Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
    for (let index = 0; index < WIDTH; index++) {
      const value = batch.columns[METRIC_SERIES[index].id]?.[row];
      if (value === undefined || value !== value || !(timeMs > gpu.lastMs[index])) continue;
      gpu.lastMs[index] = timeMs;
      // A metric that lags behind its GPU's minute finds the row gone.
      if (gpu.open !== null && minuteMs < gpu.open.minuteMs) continue;
      const open = this.openMinute(uuid, gpu, minuteMs, offset);
      open.sums[index] = IS_MEAN[index] ? open.sums[index] + value : value;
      open.counts[index]++;
      if (timeMs > gpu.newestMs) gpu.newestMs = timeMs;
      if (timeMs !== gpu.lastSampleMs) {
        gpu.lastSampleMs = timeMs;
        open.samples++;
      }
    }
  }

  private openMinute(uuid: string, gpu: Gpu, minuteMs: number, offset: number): OpenMinute {
    if (gpu.open !== null && gpu.open.minuteMs === minuteMs) return gpu.open;
    if (gpu.open !== null) this.closed(cellsOf(uuid, gpu.open), offset);
    gpu.open = { minuteMs, offset, samples: 0, sums: new Float64Array(WIDTH), counts: new Uint32Array(WIDTH) };
    return gpu.open;
  }

  private gpuOf(uuid: string): Gpu {
    let gpu = this.gpus.get(uuid);
    if (gpu === undefined) {
      gpu = { lastMs: new Float64Array(WIDTH).fill(-Infinity), newestMs: -Infinity, lastSampleMs: NaN, open: null };
      this.gpus.set(uuid, gpu);
    }
    return gpu;
  }
}

function cellsOf(uuid: string, { minuteMs, samples, sums, counts }: OpenMinute): Cell[] {
  const cells: Cell[] = [uuid, new Date(minuteMs).toISOString(), samples];
  for (let index = 0; index < WIDTH; index++)
    cells.push(counts[index] === 0 ? null : IS_MEAN[index] ? sums[index] / counts[index] : sums[index]);
  return cells;
}

/** Every sample as a row of its own, for `load.metrics: raw`. */
export function rawCells(batch: SampleBatch, row: number): Cell[] {
  const cells: Cell[] = [batch.gpus[batch.gpuIndex[row]], new Date(batch.eventTimeMs[row]).toISOString(), 1];
  for (const { id } of METRIC_SERIES) cells.push(batch.columns[id]?.[row] ?? null);
  return cells;
}
