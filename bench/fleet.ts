import { BatchBuilder, type SampleBatch } from '../schema/batch.js';
import { S } from '../schema/metrics.js';
import { partitionOf } from '../schema/partition.js';

/**
 * Plain, fast, deterministic telemetry for benchmarks: what it costs to make must not drown what is measured. For
 * telemetry that looks like a fleet's, see simulator/.
 */

/** xorshift32: three shifts a number, the same on every machine. */
export function randomOf(seed: number): () => number {
  let state = (Math.imul(seed, 2654435761) | 1) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export function benchUuid(gpu: number): string {
  const hex = (Math.imul(gpu + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
  return `GPU-${hex}-0000-4000-8000-${gpu.toString(16).padStart(12, '0')}`;
}

/** GPUs by their partition of gpu.samples. */
export function gpusByPartition(gpus: number, partitions: number): string[][] {
  const split: string[][] = Array.from({ length: partitions }, () => []);
  for (let gpu = 0; gpu < gpus; gpu++) {
    const uuid = benchUuid(gpu);
    split[partitionOf(uuid, partitions)].push(uuid);
  }
  return split;
}

/** One reading time of some GPUs: 14 readings a sample, as a collector with profiling sends them. */
export function benchBatch(
  uuids: readonly string[],
  eventTimeMs: number,
  offset: number,
  random: () => number,
): SampleBatch {
  const builder = new BatchBuilder(uuids.length);
  for (const uuid of uuids) {
    const load = 0.5 + 0.5 * random();
    builder.from('bench', 0, offset++);
    builder.begin(uuid, eventTimeMs);
    const temperature = Math.round(35 + 35 * load + 4 * random());
    builder.set(S.gpuTemp, temperature);
    builder.set(S.memoryTemp, temperature + 8);
    builder.set(S.powerUsage, Math.round(1000 + 5500 * load) / 10);
    builder.set(S.smActive, Math.round(900 * load) / 10);
    builder.set(S.smOccupancy, Math.round(500 * load) / 10);
    builder.set(S.tensorActive, Math.round(300 * load) / 10);
    builder.set(S.gpuUtil, Math.round(100 * load));
    builder.set(S.memoryUtil, Math.round(700 * load) / 10);
    builder.set(S.throttleReasons, random() < 0.001 ? 0x40 : 0);
    builder.set(S.eccSbeVol, 0);
    builder.set(S.eccDbeVol, 0);
    builder.set(S.smClock, 1980);
    builder.set(S.memClock, 2619);
    builder.set(S.pcieReplay, 0);
    builder.end();
  }
  return builder.build();
}

/** The same as flat wide JSON, one record a GPU. */
export function benchJson(uuid: string, gpu: number, eventTimeMs: number, random: () => number): string {
  const load = 0.5 + 0.5 * random();
  const temperature = Math.round(35 + 35 * load + 4 * random());
  const tenths = (value: number): string => (Math.round(value * 10) / 10).toFixed(1);
  return (
    `{"gpu_uuid":"${uuid}","hostname":"node-${String(gpu >> 3).padStart(5, '0')}","device":${gpu & 7},"timestamp":${eventTimeMs},` +
    `"gpu_temp":${temperature},"memory_temp":${temperature + 8},"power_usage":${tenths(100 + 550 * load)},"sm_active":${tenths(90 * load)},` +
    `"sm_occupancy":${tenths(50 * load)},"tensor_active":${tenths(30 * load)},"memory_utilization":${tenths(70 * load)},` +
    `"gpu_utilization":${Math.round(100 * load)},"sm_clock_mhz":1980,"mem_clock_mhz":2619,"pcie_tx_bytes_per_sec":1584802,` +
    `"pcie_rx_bytes_per_sec":2234099,"throttle_reasons":${random() < 0.001 ? 64 : 0},"ecc_sbe":0,"ecc_dbe":0}`
  );
}
