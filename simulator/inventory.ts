import { DAY_MS } from '../schema/clock.js';
import type { AssetRecord } from '../schema/records.js';
import { Random } from './random.js';

/** What stands in the racks: models, hosts, exporters, ages. */

export interface GpuModelFacts {
  readonly name: string;
  readonly tdpWatts: number;
  readonly idleWatts: number;
  /** °C a watt at steady state, at a median position. */
  readonly thermalResistance: number;
  readonly memoryMiB: number;
  readonly maxSmClockMhz: number;
  readonly memClockMhz: number;
  /** GPU temperature at which the driver slows clocks. */
  readonly slowdownCelsius: number;
}

export const MODELS: readonly GpuModelFacts[] = [
  {
    name: 'NVIDIA H100 80GB HBM3',
    tdpWatts: 700,
    idleWatts: 70,
    thermalResistance: 0.052,
    memoryMiB: 81559,
    maxSmClockMhz: 1980,
    memClockMhz: 2619,
    slowdownCelsius: 87,
  },
  {
    name: 'NVIDIA A100-SXM4-80GB',
    tdpWatts: 400,
    idleWatts: 61,
    thermalResistance: 0.088,
    memoryMiB: 81920,
    maxSmClockMhz: 1410,
    memClockMhz: 1593,
    slowdownCelsius: 92,
  },
];

/**
 * What an exporter is set up to send. `default`: no SM profiling, no ECC counters, no throttle reasons, as shipped.
 * `old`: no profiling at all, and no XID series before the first XID.
 */
export type ExporterKind = 'full' | 'default' | 'old';

export interface HostFacts {
  readonly index: number;
  readonly name: string;
  readonly exporter: ExporterKind;
  readonly model: GpuModelFacts;
  /** °C that the host's inlet differs from the hall's. */
  readonly inletOffsetCelsius: number;
  /** Share of a scrape period by which this host is scraped later than the first. */
  readonly phase: number;
}

export interface GpuFacts {
  readonly index: number;
  readonly uuid: string;
  readonly pciBusId: string;
  readonly host: HostFacts;
  /** Position in the host, 0 the coolest. */
  readonly position: number;
  readonly deploymentMs: number;
  readonly frailty: number;
}

/** Share of GPUs that fail several times as often as their like. */
const LEMONS = 0.012;
const LEMON_FACTOR = 8;
/** Spread of batches, and how much the warmest position of a host adds. */
const BATCH_SIGMA = 0.35;
const POSITION_EFFECT = 0.35;

export function makeHost(seed: number, index: number): HostFacts {
  const random = new Random(seed, `host/${index}`);
  const draw = random.uniform();
  return {
    index,
    name: `gpu-node-${String(index).padStart(4, '0')}`,
    exporter: draw < 0.5 ? 'full' : draw < 0.85 ? 'default' : 'old',
    model: MODELS[random.chance(0.6) ? 0 : 1],
    inletOffsetCelsius: 1.5 * random.normal(),
    phase: random.uniform(),
  };
}

export function makeGpu(seed: number, index: number, host: HostFacts, position: number, startMs: number): GpuFacts {
  const random = new Random(seed, `gpu/${index}`);
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(random.uniform() * 16).toString(16)).join('');
  const uuid = `GPU-${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`;
  // Deployed host by host, in batches: the batch has a quality of its own.
  const batch = new Random(seed, `batch/${Math.floor(host.index / 4)}`);
  const ageDays = batch.between(30, 1400);
  const quality = batch.logNormal(1, BATCH_SIGMA);
  const ageEffect = ageDays < 90 ? 1.4 : ageDays > 1000 ? 1.5 : 1;
  const frailty =
    quality * ageEffect * (1 + POSITION_EFFECT * (position / 7 - 0.5)) * (random.chance(LEMONS) ? LEMON_FACTOR : 1);
  return {
    index,
    uuid,
    pciBusId: `00000000:${(0x18 + 16 * position).toString(16).toUpperCase().padStart(2, '0')}:00.0`,
    host,
    position,
    deploymentMs: Math.floor((startMs - ageDays * DAY_MS) / DAY_MS) * DAY_MS,
    frailty,
  };
}

const isoDate = (epochMs: number): string => new Date(epochMs).toISOString().slice(0, 10);
const WARRANTY_DAYS = 3 * 365;

/** The asset register's line of a GPU; some registers record hours, a few know no warranty. */
export function assetOf(seed: number, gpu: GpuFacts, startMs: number): AssetRecord {
  const random = new Random(seed, `asset/${gpu.index}`);
  const asset: AssetRecord = {
    gpu_uuid: gpu.uuid,
    model: gpu.host.model.name,
    deployment_date: isoDate(gpu.deploymentMs),
    purchase_date: isoDate(gpu.deploymentMs - Math.floor(random.between(10, 90)) * DAY_MS),
  };
  if (!random.chance(0.05)) asset.warranty_end = isoDate(gpu.deploymentMs + WARRANTY_DAYS * DAY_MS);
  if (random.chance(0.3)) {
    const recordedMs = Math.floor((startMs - random.between(0, 20) * DAY_MS) / DAY_MS) * DAY_MS;
    asset.operating_hours = Math.round(
      Math.max(0, (recordedMs - gpu.deploymentMs) / 3_600_000) * random.between(0.9, 1),
    );
    asset.operating_hours_at = isoDate(recordedMs);
  }
  return asset;
}
