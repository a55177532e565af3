import { S } from '../../schema/metrics.js';
import { C, H, OPEN, PAIR, type GpuRecord } from './gpu-record.js';
import { O, OPEN_WIDTH, P } from './pane-layout.js';

/**
 * The open pane of a GPU. While readings come it is sums of differences from a shift, spread over the GPU's records
 * (gpu-record.ts); asked for, it becomes a vector like any closed pane: counts, means, sums of squared deviations.
 */

const FIRST_OF_V2 = O.residualSpikes;

/** Event times of the open hour. */
export function samplesOf({ hot, h }: GpuRecord): number {
  return hot[h + H.samples] + hot[h + H.run];
}

/** Empties the open pane of a settled GPU. */
export function clearOpenPane({ hot, h, cold, c }: GpuRecord, v2: boolean): void {
  hot[h + H.samples] = 0;
  for (const at of [H.gpuTemp, H.powerUsage, H.memoryUtil, H.smActive]) clearLevel(hot, h + at);
  hot[h + H.gpuTempMin] = Infinity;
  hot[h + H.gpuTempMax] = -Infinity;
  hot[h + H.smOccupancy] = 0;
  hot[h + H.memoryTemp] = 0;
  hot[h + H.memoryTempMax] = -Infinity;
  if (v2) {
    clearLevel(hot, h + H.smClock);
    hot[h + H.gpuUtil] = 0;
    for (let at = h + H.pairX; at <= h + H.pairXY; at++) hot[at] = 0;
    hot[h + H.loadedClock] = 0;
    hot[h + H.loadedClock + 1] = 0;
  }
  for (let at = c + C.count; at <= c + C.count + PAIR; at++) cold[at] = 0;
  for (let at = c + OPEN; at < c + OPEN + OPEN_WIDTH; at++) cold[at] = 0;
  cold[c + OPEN + O.longestGapMs] = -Infinity;
}

function clearLevel(hot: Float64Array, at: number): void {
  hot[at] = NaN;
  hot[at + 1] = 0;
  hot[at + 2] = 0;
}

/** Writes the open pane as a vector (pane-layout.ts). */
export function openPane(gpu: GpuRecord, v2: boolean, out: Float64Array): void {
  const { hot, h, cold, c } = gpu;
  const mask = hot[h + H.mask];
  const run = hot[h + H.run];
  out[P.samples] = samplesOf(gpu);
  level(out, P.gpuTemp, counted(cold, c, mask, run, S.gpuTemp), hot, h + H.gpuTemp);
  level(out, P.powerUsage, counted(cold, c, mask, run, S.powerUsage), hot, h + H.powerUsage);
  level(out, P.memoryUtil, counted(cold, c, mask, run, S.memoryUtil), hot, h + H.memoryUtil);
  level(out, P.smActive, counted(cold, c, mask, run, S.smActive), hot, h + H.smActive);
  mean(out, P.smOccupancy, counted(cold, c, mask, run, S.smOccupancy), hot[h + H.smOccupancy]);
  mean(out, P.memoryTemp, counted(cold, c, mask, run, S.memoryTemp), hot[h + H.memoryTemp]);
  out[P.gpuTempMin] = hot[h + H.gpuTempMin];
  out[P.gpuTempMax] = hot[h + H.gpuTempMax];
  out[P.memoryTempMax] = hot[h + H.memoryTempMax];
  out[P.throttleReadings] = counted(cold, c, mask, run, S.throttleReasons);
  for (let index = 0; index < FIRST_OF_V2; index++) out[P.thermalOnsets + index] = cold[c + OPEN + index];
  if (!v2) return;
  for (let index = FIRST_OF_V2; index < OPEN_WIDTH; index++)
    out[P.residualSpikes - FIRST_OF_V2 + index] = cold[c + OPEN + index];
  mean(out, P.gpuUtil, counted(cold, c, mask, run, S.gpuUtil), hot[h + H.gpuUtil]);
  level(out, P.smClock, counted(cold, c, mask, run, S.smClock), hot, h + H.smClock);
  mean(out, P.loadedClock, hot[h + H.loadedClock], hot[h + H.loadedClock + 1]);
  const n = counted(cold, c, mask, run, PAIR);
  const x = n > 0 ? hot[h + H.pairX] / n : 0;
  const y = n > 0 ? hot[h + H.pairY] / n : 0;
  out[P.tempPower] = n;
  out[P.tempPower + 1] = n > 0 ? hot[h + H.powerUsage] + x : 0;
  out[P.tempPower + 2] = n > 0 ? hot[h + H.gpuTemp] + y : 0;
  out[P.tempPower + 3] = Math.max(0, hot[h + H.pairXX] - hot[h + H.pairX] * x);
  out[P.tempPower + 4] = Math.max(0, hot[h + H.pairYY] - hot[h + H.pairY] * y);
  out[P.tempPower + 5] = hot[h + H.pairXY] - hot[h + H.pairX] * y;
}

/** Readings of a series. No closure: it would box what it captures, for every row of features. */
function counted(cold: Float64Array, c: number, mask: number, run: number, series: number): number {
  return cold[c + C.count + series] + ((mask >> series) & 1) * run;
}

function level(out: Float64Array, field: number, n: number, hot: Float64Array, at: number): void {
  out[field] = n;
  if (n === 0) {
    out[field + 1] = 0;
    out[field + 2] = 0;
    return;
  }
  const sum = hot[at + 1];
  out[field + 1] = hot[at] + sum / n;
  out[field + 2] = Math.max(0, hot[at + 2] - (sum * sum) / n);
}

function mean(out: Float64Array, field: number, n: number, sum: number): void {
  out[field] = n;
  out[field + 1] = n > 0 ? sum / n : 0;
}
