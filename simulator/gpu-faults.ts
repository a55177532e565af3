import { HOUR_MS, MINUTE_MS } from '../schema/clock.js';
import { FAILURE_TYPES, type FailureType } from '../schema/records.js';
import type { Random } from './random.js';
import { healthyRates, LOOK_ALIKE, SIGNALS, type HealthyRates } from './signals.js';
import { T } from './tally.js';
import type { LookAlikeLaw } from './world.js';

/** Places of the kinds of defect in arrays. */
export const KIND = Object.fromEntries(FAILURE_TYPES.map((type, kind) => [type, kind])) as Readonly<
  Record<FailureType, number>
>;
const APPLICATION_XIDS = [13, 31, 43, 69] as const;
/** How long a board that does not answer stays away, mean. */
const DROPOUT_MS = 25 * MINUTE_MS;
/** Share of boards whose driver reports an XID of long ago when telemetry begins. */
const OLD_XIDS = 0.1;

/** Error counters, the XID latch and the row remaps of a board. */
export class GpuFaults {
  eccSbeVolatile = 0;
  eccSbeAggregate = 0;
  eccDbeVolatile = 0;
  eccDbeAggregate = 0;
  remapCorrectable = 0;
  remapUncorrectable = 0;
  remapFailure = 0;
  pcieReplays = 0;
  nvlinkErrors = 0;
  /** −1: no XID since the driver was loaded. */
  xid = -1;
  /** Epoch ms until which the board does not answer. */
  silentUntilMs = -Infinity;
  private readonly weakRow: boolean;
  private readonly noisyRiser: boolean;
  private readonly healthy: HealthyRates;

  /** @param tally counts what happens, unrounded and never reset */
  constructor(
    law: LookAlikeLaw,
    private readonly random: Random,
    private readonly tally: Float64Array,
  ) {
    this.healthy = healthyRates(law.noise);
    this.noisyRiser = random.chance(law.noisyRisers);
    this.weakRow = random.chance(law.weakRows);
    if (random.chance(OLD_XIDS)) this.xid = random.pick(APPLICATION_XIDS);
  }

  /** What the board has kept of the time before its telemetry. @param memoryDays at severity 1 of a memory defect */
  remember(memoryDays: number, ageDays: number): void {
    const { random } = this;
    const { memory } = SIGNALS;
    this.remapCorrectable = random.poisson(
      memory.correctableRemaps * memoryDays + this.healthy.correctableRemaps * ageDays,
    );
    this.remapUncorrectable = random.poisson(
      memory.uncorrectableRemaps * memoryDays + this.healthy.uncorrectableRemaps * ageDays,
    );
    const weak = this.weakRow ? LOOK_ALIKE.weakRowCorrectable : 0;
    this.eccSbeAggregate = random.poisson(
      memory.correctable * memoryDays + (this.healthy.correctable + weak) * ageDays,
    );
    this.eccDbeAggregate = random.poisson(memory.uncorrectable * memoryDays);
    if (random.chance(1 - Math.exp(-memory.uncorrectableRemaps * memory.remapFails * memoryDays)))
      this.remapFailure = 1;
  }

  /** A reboot: what the driver counts begins anew, what the board keeps stays. */
  reload(): void {
    this.eccSbeVolatile = 0;
    this.eccDbeVolatile = 0;
    this.pcieReplays = 0;
    this.nvlinkErrors = 0;
    this.xid = -1;
  }

  /**
   * @param severities by kind, as far as they show
   * @param faultsPerHour of the program that runs, 0 if none
   */
  advance(nowMs: number, days: number, severities: Float64Array, faultsPerHour: number): void {
    this.memory(severities[KIND.memory], days);
    this.links(severities[KIND.interconnect], days);
    this.controllers(severities[KIND.power], severities[KIND.other], days);
    this.drop(severities, nowMs, days);
    if (faultsPerHour > 0 && this.happens(24 * faultsPerHour, days))
      this.raise(this.random.pick(APPLICATION_XIDS), T.xid_application);
  }

  private memory(severity: number, days: number): void {
    const { random, tally } = this;
    const law = SIGNALS.memory;
    const weak = this.weakRow ? LOOK_ALIKE.weakRowCorrectable : 0;
    const single = random.poisson((this.healthy.correctable + weak + law.correctable * severity) * days);
    if (single > 0) {
      this.eccSbeVolatile += single;
      this.eccSbeAggregate += single;
      tally[T.sbe] += single;
    }
    if (this.happens(this.healthy.correctableRemaps + law.correctableRemaps * severity, days)) {
      this.remapCorrectable++;
      tally[T.remap_correctable]++;
    }
    if (this.happens(this.healthy.uncorrectableRemaps + law.uncorrectableRemaps * severity, days)) this.remap();
    if (severity === 0) return;
    if (this.happens(law.uncorrectable * severity, days)) {
      this.eccDbeVolatile++;
      this.eccDbeAggregate++;
      tally[T.dbe]++;
      this.raise(48, T.xid_memory);
    }
    if (this.happens(law.highRate * severity, days)) this.raise(92, T.xid_memory);
    if (this.happens(law.contained * severity, days)) this.raise(94, T.xid_memory);
    if (this.happens(law.uncontained * severity, days)) this.raise(95, T.xid_memory);
  }

  private remap(): void {
    this.remapUncorrectable++;
    this.tally[T.remap_uncorrectable]++;
    if (this.random.chance(SIGNALS.memory.remapFails)) {
      this.remapFailure = 1;
      this.tally[T.remap_failure]++;
      this.raise(64, T.xid_memory);
    } else this.raise(63, T.xid_memory);
  }

  private links(severity: number, days: number): void {
    const { random, tally } = this;
    const law = SIGNALS.interconnect;
    const noise = this.noisyRiser ? LOOK_ALIKE.noisyRiserReplays : this.healthy.replays;
    const replays = random.poisson((noise + law.replays * severity) * days);
    this.pcieReplays += replays;
    tally[T.pcie_replays] += replays;
    const errors = random.poisson((this.healthy.nvlinkErrors + law.nvlinkErrors * severity) * days);
    this.nvlinkErrors += errors;
    tally[T.nvlink_errors] += errors;
    if (this.happens(this.healthy.linkErrors + law.linkErrors * severity, days)) this.raise(74, T.xid_link);
  }

  private controllers(power: number, other: number, days: number): void {
    if (power > 0 && this.happens(SIGNALS.power.halts * power, days)) this.raise(62, T.xid_power);
    if (this.happens(this.healthy.gspErrors + SIGNALS.other.gspErrors * other, days))
      this.raise(this.random.chance(0.75) ? 119 : 120, T.xid_firmware);
    if (this.happens(this.healthy.hangs + SIGNALS.other.hangs * other, days)) this.raise(109, T.xid_firmware);
  }

  private drop(severities: Float64Array, nowMs: number, days: number): void {
    const perDay =
      this.healthy.dropouts +
      SIGNALS.interconnect.dropouts * severities[KIND.interconnect] +
      SIGNALS.other.dropouts * severities[KIND.other];
    if (!this.happens(perDay, days)) return;
    this.silentUntilMs = nowMs + this.random.exponential(DROPOUT_MS);
    this.tally[T.dropouts]++;
  }

  /** Whether an event of a rate falls into a step; two in one step are one to the latch. */
  private happens(perDay: number, days: number): boolean {
    const mean = perDay * days;
    // The exponential is spared where both say no in nearly every case.
    const draw = this.random.uniform();
    return draw < mean && draw < 1 - Math.exp(-mean);
  }

  private raise(code: number, tally: number): void {
    this.xid = code;
    this.tally[tally]++;
  }
}

/** Hours after which the severity of defects is looked up anew: they change over days. */
export const SEVERITY_EVERY_MS = HOUR_MS;
