import type { Random } from './random.js';

/**
 * What a host's exporter sends. Fields that are off by default in dcgm-exporter (SM profiling, ECC, throttle reasons,
 * NVLink errors) are the ones most often missing.
 */
export const EXPORTER_KINDS = ['full', 'default', 'old', 'minimal'] as const;

/**
 * `full`: everything. `default`: as dcgm-exporter is shipped. `old`: no profiling either, and no XID series before the
 * first XID. `minimal`: temperature, power, XID and row remaps.
 */
export type ExporterKind = (typeof EXPORTER_KINDS)[number];

/** Groups of fields that hosts may lack. */
export type FieldGroup = keyof Omit<Exporter, 'kind' | 'renamed' | 'xidZero'>;

/** Groups of fields that an exporter has or lacks. */
export interface Exporter {
  readonly kind: ExporterKind;
  /** Whether metrics bear the names and units of dcgm-exporter 4.9. */
  readonly renamed: boolean;
  /** SM activity and occupancy. */
  readonly smProfiling: boolean;
  /** Tensor and memory activity. */
  readonly profiling: boolean;
  readonly ecc: boolean;
  readonly throttleReasons: boolean;
  readonly nvlinkErrors: boolean;
  /** Use in percent: absent under MIG. */
  readonly gpuUtil: boolean;
  /** Framebuffer of the whole device: under MIG each slice has its own, and none counts. */
  readonly framebuffer: boolean;
  readonly clocks: boolean;
  readonly memoryTemperature: boolean;
  readonly pcieReplays: boolean;
  readonly energy: boolean;
  /** Before the first XID: a zero, or no series at all. */
  readonly xidZero: boolean;
}

/**
 * @param mig whether the host's GPUs are cut into slices: what is measured by slice says nothing of the device
 * @param renamed whether it is of a version that has renamed its metrics
 */
export function exporterOf(kind: ExporterKind, mig: boolean, renamed: boolean): Exporter {
  const full = kind === 'full';
  const more = kind !== 'minimal';
  return {
    kind,
    renamed,
    smProfiling: full && !mig,
    profiling: (full || kind === 'default') && !mig,
    ecc: full,
    throttleReasons: full,
    nvlinkErrors: full,
    gpuUtil: more && !mig,
    framebuffer: more && !mig,
    clocks: more,
    memoryTemperature: more,
    pcieReplays: more,
    energy: more,
    xidZero: full || kind === 'default',
  };
}

/** A kind by the shares that they have in a world. */
export function drawExporterKind(shares: Readonly<Record<ExporterKind, number>>, random: Random): ExporterKind {
  let rest = random.uniform();
  return EXPORTER_KINDS.find((one) => (rest -= shares[one]) < 0) ?? 'default';
}
