import { DAY_MS } from '../schema/clock.js';
import type { AssetRecord } from '../schema/records.js';
import { drawExporterKind, exporterOf, type Exporter } from './exporter.js';
import { batchQuality, CAGE_COUNT, frailtyOf } from './frailty.js';
import { A100, H100, H200, type GpuHardware } from './gpu-hardware.js';
import { Random } from './random.js';
import type { World } from './world.js';

/** What a fleet is made of: hosts of racks, GPUs of batches. All of it is a function of the seed and the place. */

const HOSTS_PER_CAGE = 2;
const HOSTS_PER_RACK = HOSTS_PER_CAGE * CAGE_COUNT;

export interface HostFacts {
  readonly index: number;
  readonly name: string;
  readonly rack: string;
  /** Of its rack: 0 bottom, 1 middle, 2 top. */
  readonly cage: number;
  /** Number of its delivery. */
  readonly batch: number;
  /** The one that it has at first. */
  readonly exporter: Exporter;
  readonly mig: boolean;
  readonly model: GpuHardware;
  /** °C that the host's inlet differs from the hall's. */
  readonly inletOffsetCelsius: number;
  /** Share by which dust has worsened its cooling. */
  readonly dust: number;
  /** Power limit as a share of the model's. */
  readonly powerLimit: number;
  /** Share of a scrape period by which this host is scraped later than the first. */
  readonly phase: number;
}

export interface GpuFacts {
  /** Of its slot in the fleet. */
  readonly index: number;
  /** How many boards the slot has had before. */
  readonly generation: number;
  /** Name of the random streams that belong to this board. */
  readonly stream: string;
  readonly uuid: string;
  readonly pciBusId: string;
  readonly host: HostFacts;
  /** Position in the host, 0 the coolest. */
  readonly position: number;
  /** When it was put to work, a midnight for the boards of the beginning. */
  readonly deploymentMs: number;
  /** Delivery that it came with, as its owner names it. */
  readonly lot: string;
  /** What is constant of its frailty. */
  readonly frailty: number;
}

export function makeHost(world: World, seed: number, index: number): HostFacts {
  const random = new Random(seed, `host/${index}`);
  const { exporters, inventory, lookAlikes } = world;
  const kind = drawExporterKind(exporters.kinds, random);
  const model = random.uniform();
  const mig = random.chance(exporters.mig);
  return {
    index,
    name: `gpu-node-${String(index).padStart(4, '0')}`,
    rack: `r${Math.floor(index / HOSTS_PER_RACK)}`,
    cage: Math.floor((index % HOSTS_PER_RACK) / HOSTS_PER_CAGE),
    batch: Math.floor(index / inventory.hostsPerBatch),
    exporter: exporterOf(kind, mig, new Random(seed, `exporter/${index}`).chance(exporters.renamed)),
    mig,
    model: model < inventory.h100 ? H100 : model < inventory.h100 + inventory.h200 ? H200 : A100,
    inletOffsetCelsius: 1.5 * random.normal(),
    dust: random.chance(lookAlikes.dustyHosts) ? random.between(0.08, 0.25) : 0,
    powerLimit: random.chance(lookAlikes.cappedHosts) ? random.between(0.6, 0.85) : 1,
    phase: random.uniform(),
  };
}

/** Where a board stands, and since when. */
export interface Placing {
  readonly slot: number;
  readonly generation: number;
  readonly host: HostFacts;
  readonly position: number;
  readonly positions: number;
  /** Null for a board that is there from the beginning: its batch tells. */
  readonly deploymentMs: number | null;
}

/** @param startMs of the simulation */
export function makeGpu(world: World, seed: number, placing: Placing, startMs: number): GpuFacts {
  const { slot, generation, host, position, positions } = placing;
  const stream = generation === 0 ? `${slot}` : `${slot}+${generation}`;
  const random = new Random(seed, `gpu/${stream}`);
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(random.uniform() * 16).toString(16)).join('');
  const uuid = `GPU-${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`;
  const law = world.inventory;
  const batch = new Random(seed, `batch/${host.batch}`);
  const ageDays = batch.between(...law.ageDays);
  // A spare comes from some other delivery, of a quality of its own.
  const quality = generation === 0 ? batchQuality(law, batch) : batchQuality(law, random);
  const lot = generation === 0 ? `lot-${host.batch}` : `spare-${stream}`;
  return {
    index: slot,
    generation,
    stream,
    uuid,
    pciBusId: `00000000:${(0x18 + 16 * position).toString(16).toUpperCase().padStart(2, '0')}:00.0`,
    host,
    position,
    deploymentMs: placing.deploymentMs ?? Math.floor((startMs - ageDays * DAY_MS) / DAY_MS) * DAY_MS,
    lot,
    frailty: frailtyOf(law, quality, { cage: host.cage, position, positions }, random),
  };
}

const isoDate = (epochMs: number): string => new Date(epochMs).toISOString().slice(0, 10);
const WARRANTY_DAYS = 3 * 365;
/** Share of boards that a register knows without lot and place. */
const UNPLACED = 0.08;
const GPUS_PER_HOST = 8;

/** The asset register's line of a GPU; some registers record hours, a few know no warranty. */
export function assetOf(seed: number, gpu: GpuFacts, startMs: number): AssetRecord {
  const random = new Random(seed, `asset/${gpu.stream}`);
  const { host } = gpu;
  const asset: AssetRecord = {
    gpu_uuid: gpu.uuid,
    model: host.model.name,
    deployment_date: isoDate(gpu.deploymentMs),
    purchase_date: isoDate(gpu.deploymentMs - Math.floor(random.between(10, 90)) * DAY_MS),
  };
  if (!random.chance(0.05)) asset.warranty_end = isoDate(gpu.deploymentMs + WARRANTY_DAYS * DAY_MS);
  if (random.chance(0.3) && gpu.deploymentMs < startMs) {
    const recordedMs = Math.floor((startMs - random.between(0, 20) * DAY_MS) / DAY_MS) * DAY_MS;
    asset.operating_hours = Math.round(
      Math.max(0, (recordedMs - gpu.deploymentMs) / 3_600_000) * random.between(0.9, 1),
    );
    asset.operating_hours_at = isoDate(recordedMs);
  }
  // Drawn last: what the lines above draw stays as it is.
  if (!random.chance(UNPLACED)) {
    asset.batch = gpu.lot;
    asset.rack = host.rack;
    asset.cage = host.cage;
    asset.slot = GPUS_PER_HOST * (host.index % HOSTS_PER_CAGE) + gpu.position;
  }
  return asset;
}
