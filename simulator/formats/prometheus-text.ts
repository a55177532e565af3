import type { Scrape } from '../fleet.js';
import type { GpuState } from '../gpu-state.js';
import type { ExporterKind } from '../inventory.js';

interface Field {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly exporters: readonly ExporterKind[];
  /** Null: no series. */
  readonly value: (gpu: GpuState) => number | null;
}

const ALL: readonly ExporterKind[] = ['full', 'default', 'old'];
const PROFILED: readonly ExporterKind[] = ['full', 'default'];
const FULL: readonly ExporterKind[] = ['full'];
const ratio = (percent: number): number => Math.round(percent * 10_000) / 1_000_000;

const FIELDS: readonly Field[] = [
  {
    name: 'DEV_SM_CLOCK',
    help: 'SM clock frequency (in MHz).',
    type: 'gauge',
    exporters: ALL,
    value: (gpu) => gpu.smClockMhz,
  },
  {
    name: 'DEV_MEM_CLOCK',
    help: 'Memory clock frequency (in MHz).',
    type: 'gauge',
    exporters: ALL,
    value: (gpu) => gpu.facts.host.model.memClockMhz,
  },
  {
    name: 'DEV_MEMORY_TEMP',
    help: 'Memory temperature (in C).',
    type: 'gauge',
    exporters: ALL,
    value: (gpu) => Math.round(gpu.memoryTemperatureCelsius),
  },
  {
    name: 'DEV_GPU_TEMP',
    help: 'GPU temperature (in C).',
    type: 'gauge',
    exporters: ALL,
    value: (gpu) => gpu.reportedTemperature,
  },
  {
    name: 'DEV_POWER_USAGE',
    help: 'Power draw (in W).',
    type: 'gauge',
    exporters: ALL,
    value: (gpu) => Math.round(gpu.powerWatts * 1000) / 1000,
  },
  {
    name: 'DEV_TOTAL_ENERGY_CONSUMPTION',
    help: 'Total energy consumption since boot (in mJ).',
    type: 'counter',
    exporters: ALL,
    value: (gpu) => gpu.energyMillijoules,
  },
  {
    name: 'DEV_PCIE_REPLAY_COUNTER',
    help: 'Total number of PCIe retries.',
    type: 'counter',
    exporters: ALL,
    value: (gpu) => gpu.pcieReplays,
  },
  { name: 'DEV_GPU_UTIL', help: 'GPU utilization (in %).', type: 'gauge', exporters: ALL, value: (gpu) => gpu.gpuUtil },
  {
    name: 'DEV_XID_ERRORS',
    help: 'Value of the last XID error encountered.',
    type: 'gauge',
    exporters: ALL,
    value: (gpu) => (gpu.xid >= 0 ? gpu.xid : gpu.facts.host.exporter === 'old' ? null : 0),
  },
  {
    name: 'DEV_FB_FREE',
    help: 'Framebuffer memory free (in MiB).',
    type: 'gauge',
    exporters: ALL,
    value: (gpu) => gpu.facts.host.model.memoryMiB - gpu.fbUsedMiB,
  },
  {
    name: 'DEV_FB_USED',
    help: 'Framebuffer memory used (in MiB).',
    type: 'gauge',
    exporters: ALL,
    value: (gpu) => gpu.fbUsedMiB,
  },
  {
    name: 'DEV_UNCORRECTABLE_REMAPPED_ROWS',
    help: 'Number of remapped rows for uncorrectable errors',
    type: 'counter',
    exporters: ALL,
    value: (gpu) => gpu.remapUncorrectable,
  },
  {
    name: 'DEV_CORRECTABLE_REMAPPED_ROWS',
    help: 'Number of remapped rows for correctable errors',
    type: 'counter',
    exporters: ALL,
    value: (gpu) => gpu.remapCorrectable,
  },
  {
    name: 'DEV_ROW_REMAP_FAILURE',
    help: 'Whether remapping of rows has failed',
    type: 'gauge',
    exporters: ALL,
    value: (gpu) => gpu.remapFailure,
  },
  {
    name: 'PROF_PIPE_TENSOR_ACTIVE',
    help: 'Ratio of cycles the tensor (HMMA) pipe is active.',
    type: 'gauge',
    exporters: PROFILED,
    value: (gpu) => ratio(gpu.tensorActive),
  },
  {
    name: 'PROF_DRAM_ACTIVE',
    help: 'Ratio of cycles the device memory interface is active.',
    type: 'gauge',
    exporters: PROFILED,
    value: (gpu) => ratio(gpu.dramActive),
  },
  {
    name: 'PROF_SM_ACTIVE',
    help: 'Ratio of cycles an SM has at least 1 warp assigned.',
    type: 'gauge',
    exporters: FULL,
    value: (gpu) => ratio(gpu.smActive),
  },
  {
    name: 'PROF_SM_OCCUPANCY',
    help: 'Ratio of warps resident on an SM.',
    type: 'gauge',
    exporters: FULL,
    value: (gpu) => ratio(gpu.smOccupancy),
  },
  {
    name: 'DEV_CLOCK_THROTTLE_REASONS',
    help: 'Current clock throttle reasons (bitmask).',
    type: 'gauge',
    exporters: FULL,
    value: (gpu) => gpu.throttleReasons,
  },
  {
    name: 'DEV_ECC_SBE_VOL_TOTAL',
    help: 'Total number of single-bit volatile ECC errors.',
    type: 'counter',
    exporters: FULL,
    value: (gpu) => gpu.eccSbeVolatile,
  },
  {
    name: 'DEV_ECC_DBE_VOL_TOTAL',
    help: 'Total number of double-bit volatile ECC errors.',
    type: 'counter',
    exporters: FULL,
    value: (gpu) => gpu.eccDbeVolatile,
  },
];

const HEADERS = new Map(
  FIELDS.map(({ name, help, type }) => [name, `# HELP DCGM_FI_${name} ${help}\n# TYPE DCGM_FI_${name} ${type}\n`]),
);
const labels = new WeakMap<GpuState, string>();

function labelsOf(gpu: GpuState): string {
  let text = labels.get(gpu);
  if (text === undefined) {
    const { facts } = gpu;
    text =
      `{gpu="${facts.position}",UUID="${facts.uuid}",pci_bus_id="${facts.pciBusId}",device="nvidia${facts.position}",` +
      `modelName="${facts.host.model.name}",Hostname="${facts.host.name}",DCGM_FI_DRIVER_VERSION="580.105.08"}`;
    labels.set(gpu, text);
  }
  return text;
}

/** The scrape of a host's exporter, as dcgm-exporter 4 writes it before its renaming of metrics. */
export function prometheusText(scrape: Scrape): string {
  let text = '';
  for (const field of FIELDS) {
    if (!field.exporters.includes(scrape.host.exporter)) continue;
    let lines = '';
    for (const gpu of scrape.gpus) {
      const value = field.value(gpu);
      if (value !== null) lines += `DCGM_FI_${field.name}${labelsOf(gpu)} ${value}\n`;
    }
    if (lines !== '') text += HEADERS.get(field.name)! + lines;
  }
  return text;
}
