import type { FailureType } from '../schema/records.js';
import type { ExporterKind } from './exporter.js';

/**
 * The parameters of a simulated world. Everything that differs between fleets stands here; what does not (how a counter
 * counts, how heat flows) is code. docs/simulator.md says where the figures come from.
 */
export interface World {
  readonly name: string;
  readonly inventory: InventoryLaw;
  readonly failures: FailureLaw;
  readonly signals: SignalLaw;
  readonly lookAlikes: LookAlikeLaw;
  readonly air: AirLaw;
  readonly work: WorkLaw;
  readonly operations: OperationsLaw;
  readonly exporters: ExporterLaw;
}

/** Which GPUs there are, and how unequal they are. */
export interface InventoryLaw {
  /** Shares of H100 and H200; the others are A100. */
  readonly h100: number;
  readonly h200: number;
  /** Hosts that came together: one delivery, one age, one quality. */
  readonly hostsPerBatch: number;
  /** Youngest and oldest batch when the simulation begins, days. */
  readonly ageDays: readonly [number, number];
  /** Standard deviation of the logarithm of a batch's failure rate. */
  readonly batchSigma: number;
  /** Difference between the last and the first place in a host, as a share of the mean rate. */
  readonly positionEffect: number;
  /** How much the cage of a rack matters: 1 is Titan, 0 not at all. */
  readonly cageEffect: number;
  /** Share of GPUs that fail several times as often as their like, and how many times. */
  readonly lemons: number;
  readonly lemonFactor: number;
  /** Added to the rate of a new GPU, as a share of it; fades with a time constant of 60 days. */
  readonly infantExcess: number;
  /** Age at which wear has doubled the rate, days. */
  readonly wearDays: number;
}

/** How a kind of latent defect begins, grows, heals and kills. */
export interface DefectLaw {
  /** Defects that begin a year in a GPU of frailty 1. */
  readonly beginPerYear: number;
  /** Days in which a defect grows to half of its final severity: median, and standard deviation of the logarithm. */
  readonly growthDays: number;
  readonly growthSigma: number;
  /** Failures a day at severity 1; they go with the square of the severity. */
  readonly killsPerDay: number;
  /** Share of defects that heal (a reseat, a firmware update, a spare row), and the mean time until they do. */
  readonly heals: number;
  readonly healingDays: number;
}

export interface FailureLaw {
  /** Sudden failures a year of a GPU of frailty 1, by type: nothing shows before. */
  readonly suddenPerYear: Readonly<Record<FailureType, number>>;
  readonly defects: Readonly<Record<FailureType, DefectLaw>>;
  /** Healthy GPUs taken out of service a year, as a share: nobody learns how long they would have lived. */
  readonly retiredPerYear: number;
  /** Mean days until a failed board is replaced. */
  readonly replacementDays: number;
}

/** How strongly a defect of a severity shows, 1 as in signals.ts. */
export type SignalLaw = Readonly<Record<FailureType, number>>;

/** What looks like a defect and is none. */
export interface LookAlikeLaw {
  /** How often healthy boards show errors, against signals.ts. */
  readonly noise: number;
  /** Share of GPUs on a riser that replays all its life. */
  readonly noisyRisers: number;
  /** Share of GPUs whose temperature sensor jumps now and then. */
  readonly noisySensors: number;
  /** Share of GPUs with a weak row: correctable errors for ever, and nothing comes of them. */
  readonly weakRows: number;
  /** Share of hosts that are full of dust: hotter, no worse. */
  readonly dustyHosts: number;
  /** Share of hosts whose power limit was lowered. */
  readonly cappedHosts: number;
  /** Share of jobs whose program crashes again and again, each time with an application XID. */
  readonly carelessJobs: number;
}

/** The air that a host takes in. */
export interface AirLaw {
  /** Thermal resistance of the coolers against gpu-hardware.ts: below 1 with water, above it in cramped cases. */
  readonly cooling: number;
  readonly inletCelsius: number;
  readonly dailySwingCelsius: number;
  readonly yearlySwingCelsius: number;
  /** Days in the year on which the cooling of the hall falls short. */
  readonly hotSpellsPerYear: number;
  readonly hotSpellCelsius: number;
}

export interface WorkLaw {
  /** Mean length of jobs and of the time between them, hours. */
  readonly jobHours: number;
  readonly idleHours: number;
  /** Share of jobs that take every GPU of their host. */
  readonly wholeHost: number;
  /** Share of jobs that keep the SMs nearly full. */
  readonly heavyJobs: number;
}

export interface OperationsLaw {
  readonly rebootEveryDays: number;
  readonly maintenanceEveryDays: number;
  readonly exporterOutageEveryDays: number;
  /** Share of those outages that last for hours or days. */
  readonly longOutages: number;
  /** Chance of a scrape to be missed for no reason. */
  readonly missedScrapes: number;
}

export interface ExporterLaw {
  /** Shares of hosts by what their exporter sends. */
  readonly kinds: Readonly<Record<ExporterKind, number>>;
  /** Share of hosts whose GPUs are cut into MIG slices. */
  readonly mig: number;
  /** Share of hosts whose exporter is of a version that has renamed its metrics. */
  readonly renamed: number;
  /** Mean time until a host gets another exporter, and with half of those another driver. */
  readonly changesEveryDays: number;
}
