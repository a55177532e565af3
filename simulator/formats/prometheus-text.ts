import type { Exporter, FieldGroup } from '../exporter.js';
import type { GpuState } from '../gpu-state.js';
import type { Scrape } from '../telemetry.js';
import { xidOf } from '../readings.js';

interface Field {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  /** Group of fields that an exporter has or lacks; null for what all have. */
  readonly group: FieldGroup | null;
  /** Null: no series. */
  readonly value: (gpu: GpuState) => number | null;
}

const field =
  (type: Field['type']) =>
  (name: string, help: string, group: Field['group'], value: Field['value']): Field => ({
    name,
    help,
    type,
    group,
    value,
  });
const gauge = field('gauge');
const counter = field('counter');
const ratio = (percent: number): number => Math.round(percent * 10_000) / 1_000_000;

const FIELDS: readonly Field[] = [
  gauge('DEV_SM_CLOCK', 'SM clock frequency (in MHz).', 'clocks', (gpu) => gpu.smClockMhz),
  gauge('DEV_MEM_CLOCK', 'Memory clock frequency (in MHz).', 'clocks', (gpu) => gpu.facts.host.model.memClockMhz),
  gauge('DEV_MEMORY_TEMP', 'Memory temperature (in C).', 'memoryTemperature', (gpu) =>
    Math.round(gpu.memoryTemperatureCelsius),
  ),
  gauge('DEV_GPU_TEMP', 'GPU temperature (in C).', null, (gpu) => gpu.reportedTemperature),
  gauge('DEV_POWER_USAGE', 'Power draw (in W).', null, (gpu) => Math.round(gpu.powerWatts * 1000) / 1000),
  counter(
    'DEV_TOTAL_ENERGY_CONSUMPTION',
    'Total energy consumption since boot (in mJ).',
    'energy',
    (gpu) => gpu.energyMillijoules,
  ),
  counter('DEV_PCIE_REPLAY_COUNTER', 'Total number of PCIe retries.', 'pcieReplays', (gpu) => gpu.faults.pcieReplays),
  gauge('DEV_GPU_UTIL', 'GPU utilization (in %).', 'gpuUtil', (gpu) => gpu.work.gpuUtil),
  gauge('DEV_XID_ERRORS', 'Value of the last XID error encountered.', null, (gpu) => xidOf(gpu)),
  gauge(
    'DEV_FB_FREE',
    'Framebuffer memory free (in MiB).',
    'framebuffer',
    (gpu) => gpu.facts.host.model.memoryMiB - gpu.work.fbUsedMiB,
  ),
  gauge('DEV_FB_USED', 'Framebuffer memory used (in MiB).', 'framebuffer', (gpu) => gpu.work.fbUsedMiB),
  counter(
    'DEV_UNCORRECTABLE_REMAPPED_ROWS',
    'Number of remapped rows for uncorrectable errors',
    null,
    (gpu) => gpu.faults.remapUncorrectable,
  ),
  counter(
    'DEV_CORRECTABLE_REMAPPED_ROWS',
    'Number of remapped rows for correctable errors',
    null,
    (gpu) => gpu.faults.remapCorrectable,
  ),
  gauge('DEV_ROW_REMAP_FAILURE', 'Whether remapping of rows has failed', null, (gpu) => gpu.faults.remapFailure),
  gauge('PROF_PIPE_TENSOR_ACTIVE', 'Ratio of cycles the tensor (HMMA) pipe is active.', 'profiling', (gpu) =>
    ratio(gpu.work.tensorActive),
  ),
  gauge('PROF_DRAM_ACTIVE', 'Ratio of cycles the device memory interface is active.', 'profiling', (gpu) =>
    ratio(gpu.work.dramActive),
  ),
  gauge('PROF_SM_ACTIVE', 'Ratio of cycles an SM has at least 1 warp assigned.', 'smProfiling', (gpu) =>
    ratio(gpu.work.smActive),
  ),
  gauge('PROF_SM_OCCUPANCY', 'Ratio of warps resident on an SM.', 'smProfiling', (gpu) => ratio(gpu.work.smOccupancy)),
  gauge(
    'DEV_CLOCK_THROTTLE_REASONS',
    'Current clock throttle reasons (bitmask).',
    'throttleReasons',
    (gpu) => gpu.throttleReasons,
  ),
  counter(
    'DEV_ECC_SBE_VOL_TOTAL',
    'Total number of single-bit volatile ECC errors.',
    'ecc',
    (gpu) => gpu.faults.eccSbeVolatile,
  ),
  counter(
    'DEV_ECC_DBE_VOL_TOTAL',
    'Total number of double-bit volatile ECC errors.',
    'ecc',
    (gpu) => gpu.faults.eccDbeVolatile,
  ),
  counter(
    'DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL',
    'Total number of NVLink flow-control CRC errors.',
    'nvlinkErrors',
    (gpu) => gpu.faults.nvlinkErrors,
  ),
];
/** Under MIG these are of a slice, and the device has none. */
const BY_SLICE = ['DEV_FB_FREE', 'DEV_FB_USED'];
const SLICES = [
  ['3g', 1],
  ['3g', 2],
] as const;

/** Names since dcgm-exporter 4.9, and what values are multiplied by. Of the others no new name is known. */
const RENAMED: Readonly<Record<string, readonly [string, number]>> = {
  DEV_SM_CLOCK: ['DEV_SM_CLOCK_HERTZ', 1e6],
  DEV_MEM_CLOCK: ['DEV_MEMORY_CLOCK_HERTZ', 1e6],
  DEV_MEMORY_TEMP: ['DEV_MEMORY_TEMP_CELSIUS', 1],
  DEV_GPU_TEMP: ['DEV_GPU_TEMP_CELSIUS', 1],
  DEV_POWER_USAGE: ['DEV_BOARD_POWER_WATTS', 1],
  DEV_TOTAL_ENERGY_CONSUMPTION: ['DEV_GPU_ENERGY_JOULES_TOTAL', 1e-3],
  DEV_PCIE_REPLAY_COUNTER: ['DEV_PCIE_REPLAY_TOTAL', 1],
  DEV_GPU_UTIL: ['DEV_GPU_UTIL_RATIO', 1e-2],
  DEV_XID_ERRORS: ['DEV_XID_ERROR', 1],
  DEV_FB_FREE: ['DEV_FB_FREE_BYTES', 1_048_576],
  DEV_FB_USED: ['DEV_FB_USED_BYTES', 1_048_576],
  DEV_UNCORRECTABLE_REMAPPED_ROWS: ['DEV_ROW_REMAP_UNCORRECTABLE_TOTAL', 1],
  DEV_CORRECTABLE_REMAPPED_ROWS: ['DEV_ROW_REMAP_CORRECTABLE_TOTAL', 1],
  DEV_ROW_REMAP_FAILURE: ['DEV_ROW_REMAP_FAILED', 1],
  PROF_PIPE_TENSOR_ACTIVE: ['PROF_TENSOR_UTIL_RATIO', 1],
  PROF_DRAM_ACTIVE: ['PROF_DRAM_UTIL_RATIO', 1],
  PROF_SM_ACTIVE: ['PROF_SM_UTIL_RATIO', 1],
  DEV_CLOCK_THROTTLE_REASONS: ['DEV_CLOCKS_EVENT_REASONS', 1],
};
/** Of a host's drivers, one after the other; the last one stays. */
const DRIVERS = ['570.172.08', '580.105.08', '580.126.09', '590.48.01'] as const;
const driverOf = (upgrades: number): string => DRIVERS[Math.min(1 + upgrades, DRIVERS.length - 1)];

const headerOf = (name: string, { help, type }: Field): string =>
  `# HELP DCGM_FI_${name} ${help}\n# TYPE DCGM_FI_${name} ${type}\n`;
const HEADERS = new Map(
  FIELDS.flatMap((one) => [one.name, RENAMED[one.name]?.[0] ?? one.name].map((name) => [name, headerOf(name, one)])),
);
const labels = new WeakMap<GpuState, { text: string; exporter: Exporter; driverUpgrades: number }>();

/** Labels of a GPU, without the closing brace. */
function labelsOf(gpu: GpuState): string {
  const { facts, exporter, driverUpgrades } = gpu;
  let last = labels.get(gpu);
  if (last?.exporter !== exporter || last.driverUpgrades !== driverUpgrades) {
    const host = `${exporter.renamed ? 'hostname' : 'Hostname'}="${facts.host.name}"`;
    const text =
      `{gpu="${facts.position}",UUID="${facts.uuid}",pci_bus_id="${facts.pciBusId}",device="nvidia${facts.position}",` +
      `modelName="${facts.host.model.name}",${host},DCGM_FI_DRIVER_VERSION="${driverOf(driverUpgrades)}"`;
    last = { text, exporter, driverUpgrades };
    labels.set(gpu, last);
  }
  return last.text;
}

/** The scrape of a host's exporter, as dcgm-exporter 4 writes it before or after its renaming of metrics. */
export function prometheusText(scrape: Scrape): string {
  const { mig } = scrape.host;
  // All GPUs of a scrape are told of by the same exporter.
  const { exporter } = scrape.gpus[0];
  let text = '';
  for (const one of FIELDS) {
    const bySlice = mig && BY_SLICE.includes(one.name);
    if (!bySlice && one.group !== null && !exporter[one.group]) continue;
    if (bySlice && exporter.kind === 'minimal') continue;
    const [name, factor] = (exporter.renamed ? RENAMED[one.name] : undefined) ?? [one.name, 1];
    let lines = '';
    for (const gpu of scrape.gpus) {
      const raw = one.value(gpu);
      if (raw === null) continue;
      const value = factor === 1 ? raw : raw * factor;
      if (!mig) lines += `DCGM_FI_${name}${labelsOf(gpu)}} ${value}\n`;
      else
        for (const [profile, id] of SLICES)
          lines +=
            `DCGM_FI_${name}${labelsOf(gpu)},GPU_I_PROFILE="${profile}.40gb",GPU_I_ID="${id}"} ` +
            `${bySlice ? Math.floor(value / SLICES.length) : value}\n`;
    }
    if (lines !== '') text += HEADERS.get(name)! + lines;
  }
  return text;
}
