/**
 * The metric catalogue: every series of telemetry the engine understands after normalisation, in one unit whatever
 * shape it came in. A *series* is what arrives (a column of a batch); a *metric* is what the windows keep. Most
 * metrics have one series; ECC counters have two (volatile and aggregate), memory_util is derived from framebuffer
 * inputs, and NVLink errors are one series a counter and link.
 *
 * How DCGM's own field names map onto these series stands in dcgm-fields.ts.
 */

/** What a metric's values mean over time, and so how a window folds them. */
export type SeriesKind =
  /** A level: mean, spread, extremes. */
  | 'gauge'
  /** A count that only grows until something resets it: increments are what matters. */
  | 'counter'
  /** A condition that holds until the next reading: onsets and durations. */
  | 'state'
  /** The last event's code, repeated at every scrape: changes are what matters. */
  | 'latch'
  /** Not a reading by itself: framebuffer figures from which memory_util is derived. */
  | 'input';

/** What the first reading after a decrease of a counter is worth. */
export type CounterReset = 'new-value' | 'zero';

export interface Series {
  /** Position in {@link SERIES}; stable, because batches are laid out by it. */
  readonly id: number;
  /** Name in JSON, Avro and SQL. */
  readonly name: string;
  /** The metric it belongs to: order, lateness and duplicates are judged by it. */
  readonly metric: string;
  readonly unit: string;
  readonly kind: SeriesKind;
  /** Plausible range; a value outside it is no reading (`range`). */
  readonly min: number;
  readonly max: number;
  /** True where `min` itself is implausible: (min, max]. */
  readonly minExclusive: boolean;
  /** Values above `max` up to this one count as `max` (profiling ratios overshoot a little). */
  readonly clampFrom?: number;
  readonly reset?: CounterReset;
  readonly description: string;
}

/** Largest value of a 32-bit DCGM field that is not one of its blank markers (dcgm_structs.h). */
export const INT32_MAX_VALID = 2147483631;
/** First blank marker of DCGM's 64-bit floats: 2^47 (dcgm_structs.h). */
export const FP64_BLANK = 2 ** 47;
/** 4 TiB in MiB: no GPU has a framebuffer near it. */
const FRAMEBUFFER_MAX_MIB = 4 * 1024 * 1024;

type Entry = Omit<Series, 'id' | 'metric' | 'minExclusive'> & { metric?: string; minExclusive?: boolean };

const percent = (name: string, description: string): Entry => ({
  name,
  unit: 'percent',
  kind: 'gauge',
  min: 0,
  max: 100,
  clampFrom: 101,
  description,
});

const count = (name: string, reset: CounterReset, description: string, metric?: string): Entry => ({
  name,
  metric,
  unit: 'count',
  kind: 'counter',
  min: 0,
  max: INT32_MAX_VALID,
  reset,
  description,
});

const framebuffer = (name: string, description: string): Entry => ({
  name,
  unit: 'MiB',
  kind: 'input',
  min: 0,
  max: FRAMEBUFFER_MAX_MIB,
  description,
});

const gauge = (name: string, unit: string, max: number, description: string): Entry => ({
  name,
  unit,
  kind: 'gauge',
  min: 0,
  max,
  minExclusive: true,
  description,
});

/** The fixed series. Append only: ids are positions. */
const entries: Entry[] = [
  gauge('gpu_temp', '°C', 130, 'GPU core temperature'),
  gauge('memory_temp', '°C', 130, 'Memory (HBM) temperature; cards without the sensor report 0, which is absent'),
  gauge('power_usage', 'W', 3000, 'Board power draw'),
  percent('sm_active', 'Share of time in which at least one warp was resident on a multiprocessor'),
  percent('sm_occupancy', 'Resident warps as a share of the maximum'),
  percent('tensor_active', 'Share of cycles in which the tensor pipe was active'),
  percent('dram_active', 'Share of cycles in which device memory was sending or receiving'),
  percent('gpu_util', 'Share of time in which at least one kernel was running'),
  {
    name: 'memory_util',
    unit: 'percent',
    kind: 'gauge',
    min: 0,
    max: 100,
    description: 'Framebuffer used / total; derived from the framebuffer inputs where it does not arrive by itself',
  },
  framebuffer('fb_used', 'Framebuffer in use'),
  framebuffer('fb_free', 'Framebuffer free'),
  framebuffer('fb_reserved', 'Framebuffer reserved by the driver'),
  framebuffer('fb_total', 'Framebuffer size, where the producer states it'),
  {
    name: 'throttle_reasons',
    unit: 'bit mask',
    kind: 'state',
    min: 0,
    max: 0xffff,
    description: 'Reasons for reduced clocks, DCGM_FI_DEV_CLOCKS_EVENT_REASONS',
  },
  count('ecc_sbe_vol', 'new-value', 'Single-bit ECC errors since the driver was loaded', 'ecc_sbe'),
  count('ecc_sbe_agg', 'zero', 'Single-bit ECC errors over the life of the device', 'ecc_sbe'),
  count('ecc_dbe_vol', 'new-value', 'Double-bit ECC errors since the driver was loaded', 'ecc_dbe'),
  count('ecc_dbe_agg', 'zero', 'Double-bit ECC errors over the life of the device', 'ecc_dbe'),
  count('remap_correctable', 'zero', 'Memory rows remapped for correctable errors'),
  count('remap_uncorrectable', 'zero', 'Memory rows remapped for uncorrectable errors'),
  {
    name: 'remap_failure',
    unit: '0 or 1',
    kind: 'state',
    min: 0,
    max: 1,
    description: 'A row remap has failed: the vendor replaces such a board',
  },
  count('pcie_replay', 'new-value', 'PCIe replays since the driver was loaded'),
  { name: 'xid', unit: 'code', kind: 'latch', min: 0, max: 65535, description: 'Code of the last XID error' },
  gauge('sm_clock', 'MHz', 5000, 'Multiprocessor clock'),
  gauge('mem_clock', 'MHz', 20000, 'Memory clock'),
  {
    name: 'energy',
    unit: 'J',
    kind: 'counter',
    min: 0,
    max: FP64_BLANK - 1,
    reset: 'new-value',
    description: 'Energy consumed since the driver was loaded',
  },
];

/** The four NVLink error counters, in the order of their series. */
export const NVLINK_COUNTERS = ['crc_flit', 'crc_data', 'replay', 'recovery'] as const;
/** Links a GPU may have (NVLink 5 has 18). */
export const NVLINK_MAX_LINKS = 18;
/** Series of one NVLink counter: its total, then one a link. */
export const NVLINK_SERIES_PER_COUNTER = NVLINK_MAX_LINKS + 1;

for (const counter of NVLINK_COUNTERS)
  for (let link = -1; link < NVLINK_MAX_LINKS; link++)
    entries.push({
      name: `nvlink_${counter}_${link < 0 ? 'total' : `l${link}`}`,
      metric: 'nvlink_errors',
      unit: 'count',
      kind: 'counter',
      min: 0,
      max: FP64_BLANK - 1,
      reset: 'new-value',
      description: `NVLink ${counter} errors ${link < 0 ? 'of all links' : `of link ${link}`}`,
    });

export const SERIES: readonly Series[] = entries.map((entry, id) => ({
  ...entry,
  id,
  metric: entry.metric ?? entry.name,
  minExclusive: entry.minExclusive ?? false,
}));

const idsByName = new Map(SERIES.map((series) => [series.name, series.id]));

/** Id of a series by its name; throws for an unknown one, for names are written by programmers. */
export function seriesId(name: string): number {
  const id = idsByName.get(name);
  if (id === undefined) throw new Error(`unknown series ${name}`);
  return id;
}

/** Ids used by the hot loop, named. */
export const S = {
  gpuTemp: seriesId('gpu_temp'),
  memoryTemp: seriesId('memory_temp'),
  powerUsage: seriesId('power_usage'),
  smActive: seriesId('sm_active'),
  smOccupancy: seriesId('sm_occupancy'),
  tensorActive: seriesId('tensor_active'),
  dramActive: seriesId('dram_active'),
  gpuUtil: seriesId('gpu_util'),
  memoryUtil: seriesId('memory_util'),
  fbUsed: seriesId('fb_used'),
  fbFree: seriesId('fb_free'),
  fbReserved: seriesId('fb_reserved'),
  fbTotal: seriesId('fb_total'),
  throttleReasons: seriesId('throttle_reasons'),
  eccSbeVol: seriesId('ecc_sbe_vol'),
  eccSbeAgg: seriesId('ecc_sbe_agg'),
  eccDbeVol: seriesId('ecc_dbe_vol'),
  eccDbeAgg: seriesId('ecc_dbe_agg'),
  remapCorrectable: seriesId('remap_correctable'),
  remapUncorrectable: seriesId('remap_uncorrectable'),
  remapFailure: seriesId('remap_failure'),
  pcieReplay: seriesId('pcie_replay'),
  xid: seriesId('xid'),
  smClock: seriesId('sm_clock'),
  memClock: seriesId('mem_clock'),
  energy: seriesId('energy'),
  nvlinkFirst: seriesId('nvlink_crc_flit_total'),
} as const;

/** Series of an NVLink counter (index into {@link NVLINK_COUNTERS}) and link; link −1 is the total. */
export function nvlinkSeries(counter: number, link: number): number {
  return S.nvlinkFirst + counter * NVLINK_SERIES_PER_COUNTER + link + 1;
}
