import { benchJson, benchUuid } from '../fleet.js';

/** Raw telemetry of a benchmark's fleet in one of the shapes that sources come in. */
export interface RawShape {
  readonly format: 'wide-json-flat' | 'wide-json' | 'prometheus-text';
  /** GPUs that one message tells of. */
  readonly gpusPerMessage: number;
  /** Readings of one GPU in a message. */
  readonly readingsPerGpu: number;
  /** A field to look at after parsing, for the bare baseline; null: the shape is not JSON. */
  readonly parsed: boolean;
  key(firstGpu: number): string;
  message(firstGpu: number, eventTimeMs: number, random: () => number): string;
}

const GPUS_PER_HOST = 8;
const hostOf = (gpu: number): string => `node-${String(Math.floor(gpu / GPUS_PER_HOST)).padStart(5, '0')}`;

const flat: RawShape = {
  format: 'wide-json-flat',
  gpusPerMessage: 1,
  readingsPerGpu: 15,
  parsed: true,
  key: benchUuid,
  message: (gpu, eventTimeMs, random) => benchJson(benchUuid(gpu), gpu, eventTimeMs, random),
};

const tenths = (value: number): string => (Math.round(value * 10) / 10).toFixed(1);

const grouped: RawShape = {
  format: 'wide-json',
  gpusPerMessage: 1,
  readingsPerGpu: 23,
  parsed: true,
  key: benchUuid,
  message(gpu, eventTimeMs, random) {
    const load = 0.5 + 0.5 * random();
    const temperature = Math.round(35 + 35 * load + 4 * random());
    return (
      `{"schema_version":"1.0","event_type":"gpu_metric_sample","timestamp":"${new Date(eventTimeMs).toISOString()}",` +
      `"gpu":{"gpu_uuid":"${benchUuid(gpu)}","device_index":${gpu % GPUS_PER_HOST},"pci_bus_id":"0000:3B:00.0","name":"NVIDIA H100 80GB HBM3"},` +
      `"host":{"hostname":"${hostOf(gpu)}","cluster":"bench","rack":"r1","datacenter":"d1"},` +
      `"metrics":{"health":{"gpu_temp_c":${temperature},"memory_temp_c":${temperature + 8},"power_usage_w":${tenths(100 + 550 * load)},` +
      `"throttle_reasons":${random() < 0.001 ? 64 : 0},"xid_last":0},` +
      `"memory":{"fb_used_mib":${Math.round(81_559 * load)},"fb_free_mib":${81_559 - Math.round(81_559 * load)},"fb_total_mib":81559,` +
      `"ecc_sbe_volatile":0,"ecc_dbe_volatile":0,"ecc_sbe_aggregate":3,"ecc_dbe_aggregate":0,"remap_correctable":0,"remap_uncorrectable":0,"remap_failure":0},` +
      `"performance":{"sm_active_pct":${tenths(90 * load)},"sm_occupancy_pct":${tenths(50 * load)},"tensor_active_pct":${tenths(30 * load)},` +
      `"dram_active_pct":${tenths(40 * load)},"gpu_utilization_pct":${Math.round(100 * load)},"pcie_replay":0},` +
      `"clocks":{"sm_clock_mhz":1980,"mem_clock_mhz":2619},"energy":{"total_energy_consumption_mj":${eventTimeMs}}},` +
      `"asset":{"model":"NVIDIA H100 80GB HBM3","deployment_date":"2025-02-01","warranty_expiry":"2028-02-01"},"quality":{"collection_latency_ms":0}}`
    );
  },
};

/** Metrics of a scrape, each with its value at a load of 0-1 and the exporter's help text. */
const METRICS: readonly (readonly [string, string, (load: number) => number | string])[] = [
  ['DEV_SM_CLOCK', 'SM clock frequency (in MHz).', () => 1980],
  ['DEV_MEM_CLOCK', 'Memory clock frequency (in MHz).', () => 2619],
  ['DEV_MEMORY_TEMP', 'Memory temperature (in C).', (load) => Math.round(43 + 35 * load)],
  ['DEV_GPU_TEMP', 'GPU temperature (in C).', (load) => Math.round(35 + 35 * load)],
  ['DEV_POWER_USAGE', 'Power draw (in W).', (load) => tenths(100 + 550 * load)],
  ['DEV_TOTAL_ENERGY_CONSUMPTION', 'Total energy consumption since boot (in mJ).', () => 1_234_567_890],
  ['DEV_PCIE_REPLAY_COUNTER', 'Total number of PCIe retries.', () => 0],
  ['DEV_GPU_UTIL', 'GPU utilization (in %).', (load) => Math.round(100 * load)],
  ['DEV_XID_ERRORS', 'Value of the last XID error encountered.', () => 0],
  ['DEV_FB_FREE', 'Framebuffer memory free (in MiB).', (load) => 81_559 - Math.round(81_559 * load)],
  ['DEV_FB_USED', 'Framebuffer memory used (in MiB).', (load) => Math.round(81_559 * load)],
  ['DEV_UNCORRECTABLE_REMAPPED_ROWS', 'Number of remapped rows for uncorrectable errors', () => 0],
  ['DEV_CORRECTABLE_REMAPPED_ROWS', 'Number of remapped rows for correctable errors', () => 0],
  ['DEV_ROW_REMAP_FAILURE', 'Whether remapping of rows has failed', () => 0],
  ['PROF_PIPE_TENSOR_ACTIVE', 'Ratio of cycles the tensor (HMMA) pipe is active.', (load) => (0.3 * load).toFixed(6)],
  ['PROF_DRAM_ACTIVE', 'Ratio of cycles the memory interface is active.', (load) => (0.4 * load).toFixed(6)],
  ['PROF_SM_ACTIVE', 'Ratio of cycles an SM has at least 1 warp assigned.', (load) => (0.9 * load).toFixed(6)],
  ['PROF_SM_OCCUPANCY', 'Ratio of warps resident on an SM.', (load) => (0.5 * load).toFixed(6)],
  ['DEV_CLOCK_THROTTLE_REASONS', 'Current clock throttle reasons (bitmask).', () => 0],
  ['DEV_ECC_SBE_VOL_TOTAL', 'Total number of single-bit volatile ECC errors.', () => 0],
  ['DEV_ECC_DBE_VOL_TOTAL', 'Total number of double-bit volatile ECC errors.', () => 0],
];

const scrape: RawShape = {
  format: 'prometheus-text',
  gpusPerMessage: GPUS_PER_HOST,
  readingsPerGpu: METRICS.length,
  parsed: false,
  key: hostOf,
  message(firstGpu, _eventTimeMs, random) {
    const loads = Array.from({ length: GPUS_PER_HOST }, () => 0.5 + 0.5 * random());
    const labels = loads.map(
      (_, position) =>
        `{gpu="${position}",UUID="${benchUuid(firstGpu + position)}",pci_bus_id="00000000:${position}B:00.0",device="nvidia${position}",` +
        `modelName="NVIDIA H100 80GB HBM3",Hostname="${hostOf(firstGpu)}",DCGM_FI_DRIVER_VERSION="580.105.08"}`,
    );
    let text = '';
    for (const [name, help, value] of METRICS) {
      text += `# HELP DCGM_FI_${name} ${help}\n# TYPE DCGM_FI_${name} gauge\n`;
      for (const [position, load] of loads.entries()) text += `DCGM_FI_${name}${labels[position]} ${value(load)}\n`;
    }
    return text;
  },
};

export const RAW_SHAPES: readonly RawShape[] = [flat, grouped, scrape];
