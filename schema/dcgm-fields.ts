import { FP64_BLANK, nvlinkSeries, NVLINK_COUNTERS, NVLINK_MAX_LINKS, S } from './metrics.js';

/**
 * DCGM's field names, old and new (the renaming of dcgm-exporter 4.9), and the series each becomes: the one home of
 * names and unit factors. Names are without the prefix `DCGM_FI_`; device fields are found with and without `DEV_`.
 */
export interface DcgmField {
  readonly name: string;
  readonly series: number;
  /** Raw value × factor = value in the series' unit. */
  readonly factor: number;
  /** Raw values up to 1 are ratios, above it percentages (GPU_UTIL_RATIO was 0–100 in DCGM 4.6 and 0–1 in 4.7). */
  readonly ratioOrPercent: boolean;
  /** The raw field can reach 2^31 by right, so that DCGM's 32-bit blanks cannot be told from values. */
  readonly reachesInt32Blank: boolean;
  /** Profiling and framebuffer figures are a slice's own under MIG; device metrics are repeated by each slice. */
  readonly perSlice: boolean;
}

const MEBI = 1024 * 1024;

interface Options {
  readonly factor?: number;
  readonly ratioOrPercent?: boolean;
  readonly reachesInt32Blank?: boolean;
  readonly perSlice?: boolean;
}

const fields = new Map<string, DcgmField>();

function field(series: number, names: readonly string[], options: Options = {}): void {
  for (const name of names)
    fields.set(name, {
      name,
      series,
      factor: options.factor ?? 1,
      ratioOrPercent: options.ratioOrPercent ?? false,
      reachesInt32Blank: options.reachesInt32Blank ?? false,
      perSlice: options.perSlice ?? false,
    });
}

field(S.gpuTemp, ['DEV_GPU_TEMP', 'DEV_GPU_TEMP_CELSIUS']);
field(S.memoryTemp, ['DEV_MEMORY_TEMP', 'DEV_MEMORY_TEMP_CELSIUS']);
field(S.powerUsage, ['DEV_POWER_USAGE', 'DEV_BOARD_POWER_WATTS']);
// Profiling fields are ratios 0–1; the engine keeps percentages. GR_ENGINE is not SM_ACTIVE and stays out.
const profiling = { factor: 100, perSlice: true };
field(S.smActive, ['PROF_SM_ACTIVE', 'PROF_SM_UTIL_RATIO'], profiling);
field(S.smOccupancy, ['PROF_SM_OCCUPANCY', 'PROF_SM_OCCUPANCY_RATIO'], profiling);
field(S.tensorActive, ['PROF_PIPE_TENSOR_ACTIVE', 'PROF_TENSOR_UTIL_RATIO', 'PROF_PIPE_TENSOR_UTIL_RATIO'], profiling);
field(S.dramActive, ['PROF_DRAM_ACTIVE', 'PROF_DRAM_UTIL_RATIO'], profiling);
field(S.gpuUtil, ['DEV_GPU_UTIL']);
field(S.gpuUtil, ['DEV_GPU_UTIL_RATIO'], { factor: 100, ratioOrPercent: true });
const framebuffer: [number, string][] = [
  [S.fbUsed, 'DEV_FB_USED'],
  [S.fbFree, 'DEV_FB_FREE'],
  [S.fbReserved, 'DEV_FB_RESERVED'],
];
for (const [series, name] of framebuffer) {
  field(series, [name], { perSlice: true });
  field(series, [`${name}_BYTES`], { factor: 1 / MEBI, reachesInt32Blank: true, perSlice: true });
}
field(S.throttleReasons, [
  'DEV_CLOCK_THROTTLE_REASONS',
  'DEV_CLOCKS_EVENT_REASONS',
  'DEV_CLOCK_EVENT_REASONS',
  'DEV_CLOCKS_THROTTLE_REASONS',
]);
const ecc: [string, number, number][] = [
  ['SBE', S.eccSbeVol, S.eccSbeAgg],
  ['DBE', S.eccDbeVol, S.eccDbeAgg],
];
for (const [kind, volatileSeries, aggregateSeries] of ecc) {
  field(volatileSeries, [`DEV_ECC_${kind}_VOL_TOTAL`, `DEV_ECC_${kind}_VOLATILE_TOTAL`]);
  field(aggregateSeries, [`DEV_ECC_${kind}_AGG_TOTAL`, `DEV_ECC_${kind}_AGGREGATE_TOTAL`]);
}
field(S.remapCorrectable, ['DEV_CORRECTABLE_REMAPPED_ROWS', 'DEV_ROW_REMAP_CORRECTABLE_TOTAL']);
field(S.remapUncorrectable, ['DEV_UNCORRECTABLE_REMAPPED_ROWS', 'DEV_ROW_REMAP_UNCORRECTABLE_TOTAL']);
field(S.remapFailure, ['DEV_ROW_REMAP_FAILURE', 'DEV_ROW_REMAP_FAILED']);
field(S.pcieReplay, ['DEV_PCIE_REPLAY_COUNTER', 'DEV_PCIE_REPLAY_TOTAL']);
field(S.xid, ['DEV_XID_ERRORS', 'DEV_XID_ERROR']);
field(S.smClock, ['DEV_SM_CLOCK']);
field(S.smClock, ['DEV_SM_CLOCK_HERTZ'], { factor: 1e-6, reachesInt32Blank: true });
field(S.memClock, ['DEV_MEM_CLOCK']);
field(S.memClock, ['DEV_MEMORY_CLOCK_HERTZ', 'DEV_MEM_CLOCK_HERTZ'], { factor: 1e-6, reachesInt32Blank: true });
field(S.energy, ['DEV_TOTAL_ENERGY_CONSUMPTION'], { factor: 1e-3, reachesInt32Blank: true });
field(S.energy, ['DEV_GPU_ENERGY_JOULES_TOTAL'], { reachesInt32Blank: true });
for (const [counter, name] of NVLINK_COUNTERS.entries()) {
  const base = `DEV_NVLINK_${name.toUpperCase()}_ERROR_COUNT`;
  field(nvlinkSeries(counter, -1), [`${base}_TOTAL`], { reachesInt32Blank: true });
  for (let link = 0; link < NVLINK_MAX_LINKS; link++)
    field(nvlinkSeries(counter, link), [`${base}_L${link}`], { reachesInt32Blank: true });
}

const PREFIX = 'DCGM_FI_';

/** All fields by full exposition name; a few exporters leave DEV_ out of the new names. */
export const DCGM_FIELDS: ReadonlyMap<string, DcgmField> = new Map(
  [...fields.values()].flatMap((one) => [
    [PREFIX + one.name, one] as const,
    [PREFIX + one.name.replace(/^(DEV|PROF)_/, ''), one] as const,
  ]),
);

const nvlinkByBase = new Map(
  NVLINK_COUNTERS.map((name, counter) => [`${PREFIX}DEV_NVLINK_${name.toUpperCase()}_ERROR_COUNT`, counter]),
);

/** What NVLink counters whose link is told by a label have in common. */
export const NVLINK_FIELD = { factor: 1, ratioOrPercent: false, reachesInt32Blank: true, perSlice: false } as const;

/** Series of an NVLink counter whose link is told by a label; −1 where the name is none of them. */
export function nvlinkSeriesOf(name: string, link: number): number {
  const counter = nvlinkByBase.get(name.endsWith('_TOTAL') ? name.slice(0, -'_TOTAL'.length) : name);
  if (counter === undefined || !(link >= 0 && link < NVLINK_MAX_LINKS)) return -1;
  return nvlinkSeries(counter, link);
}

/** DCGM's 32-bit blanks: blank, not found, not supported, not permitted and above (dcgm_structs.h). */
const INT32_BLANK = 2147483632;
const INT32_MAX = 2147483647;

/** Whether a raw number is one of DCGM's markers for "no value". 4294967295 is none: a glitch, refused by range. */
export function isBlank(raw: number, reachesInt32Blank: boolean): boolean {
  if (raw >= FP64_BLANK && raw !== Infinity) return true;
  return !reachesInt32Blank && raw >= INT32_BLANK && raw <= INT32_MAX;
}
