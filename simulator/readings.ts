import type { Readings } from '../schema/batch.js';
import { nvlinkSeries, S } from '../schema/metrics.js';
import type { GpuState } from './gpu-state.js';

/** Readings that a sample may hold. */
export const MOST_READINGS = 24;

/** The XID gauge of a GPU: null where the exporter has no series before the first. */
export function xidOf(gpu: GpuState): number | null {
  return gpu.faults.xid >= 0 ? gpu.faults.xid : gpu.exporter.xidZero ? 0 : null;
}

/** A share of time as exposition text has it and a decoder reads it: a ratio of six digits, in percent. */
const percent = (value: number): number => (Math.round(value * 10_000) / 1_000_000) * 100;

const NVLINK = nvlinkSeries(0, -1);

/** What an exporter says of a GPU, as the decoder of exposition text would put it into a batch. */
export function readingsOf(gpu: GpuState, into: Readings): void {
  const { exporter, facts, faults, work } = gpu;
  const { model } = facts.host;
  const { series, values } = into;
  let count = 0;
  const put = (id: number, value: number): void => {
    series[count] = id;
    values[count++] = value;
  };
  put(S.gpuTemp, gpu.reportedTemperature);
  put(S.powerUsage, Math.round(gpu.powerWatts * 1000) / 1000);
  if (exporter.memoryTemperature) put(S.memoryTemp, Math.round(gpu.memoryTemperatureCelsius));
  if (exporter.smProfiling) {
    put(S.smActive, percent(work.smActive));
    put(S.smOccupancy, percent(work.smOccupancy));
  }
  if (exporter.profiling) {
    put(S.tensorActive, percent(work.tensorActive));
    put(S.dramActive, percent(work.dramActive));
  }
  if (exporter.gpuUtil) put(S.gpuUtil, work.gpuUtil);
  if (exporter.framebuffer) {
    put(S.fbUsed, work.fbUsedMiB);
    put(S.fbFree, model.memoryMiB - work.fbUsedMiB);
  }
  if (exporter.throttleReasons) put(S.throttleReasons, gpu.throttleReasons);
  if (exporter.ecc) {
    put(S.eccSbeVol, faults.eccSbeVolatile);
    put(S.eccDbeVol, faults.eccDbeVolatile);
  }
  put(S.remapCorrectable, faults.remapCorrectable);
  put(S.remapUncorrectable, faults.remapUncorrectable);
  put(S.remapFailure, faults.remapFailure);
  if (exporter.pcieReplays) put(S.pcieReplay, faults.pcieReplays);
  if (exporter.nvlinkErrors) put(NVLINK, faults.nvlinkErrors);
  const xid = xidOf(gpu);
  if (xid !== null) put(S.xid, xid);
  if (exporter.clocks) {
    put(S.smClock, gpu.smClockMhz);
    put(S.memClock, model.memClockMhz);
  }
  if (exporter.energy) put(S.energy, gpu.energyMillijoules * 1e-3);
  into.count = count;
}
