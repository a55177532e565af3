import { DAY_MS } from '../schema/clock.js';
import { FAILURE_TYPES } from '../schema/records.js';
import type { Exporter } from './exporter.js';
import { GpuFaults, KIND, SEVERITY_EVERY_MS } from './gpu-faults.js';
import { GpuLoad } from './gpu-load.js';
import type { HostState } from './host-state.js';
import type { GpuFacts } from './inventory.js';
import type { Life } from './life.js';
import { Random } from './random.js';
import { LOOK_ALIKE, SIGNALS } from './signals.js';
import { T, TALLY_COUNT } from './tally.js';

/** Time in which a heat sink takes on most of a change of power. */
const THERMAL_TIME_CONSTANT_MS = 90_000;
/** °C that memory runs above the die at idle, and what load takes off: AcmeTrace has +16 at p25 and +4 at p90. */
const MEMORY_OFFSET = 14.5;
const MEMORY_LOAD_OFFSET = -12.5;
/** Noise of the power draw under load, as a share of it, and at rest. A driver caps the mean, not each sample. */
const LOAD_NOISE = 0.06;
const IDLE_NOISE_WATTS = 0.5;
/** Power grows faster than load (AcmeTrace: 100 W of 400 at 33–50 % SM activity, 330 at 73), a little beyond the limit. */
const LOAD_EXPONENT = 2.3;
const FULL_LOAD = 1.06;
/** Throttle reasons, bits of DCGM_FI_DEV_CLOCKS_EVENT_REASONS. */
const IDLE = 0x1;
const POWER_CAP = 0x4;
const SW_THERMAL = 0x20;
const HW_THERMAL = 0x40;
const POWER_BRAKE = 0x80;
const IDLE_CLOCK_MHZ = 345;

/** A GPU's telemetry at one scrape; one object a GPU, overwritten at each. */
export class GpuState {
  readonly work = new GpuLoad();
  /** What tells of it now: a host may get another. */
  exporter: Exporter;
  /** Drivers of its host before the one of now. */
  driverUpgrades = 0;
  readonly faults: GpuFaults;
  /** Sums since telemetry began, see tally.ts. */
  readonly tally = new Float64Array(TALLY_COUNT);
  temperatureCelsius: number;
  /** As the sensor tells it: whole degrees. */
  reportedTemperature = 0;
  memoryTemperatureCelsius = 0;
  powerWatts = 0;
  throttleReasons = IDLE;
  smClockMhz = 0;
  energyMillijoules = 0;

  private readonly random: Random;
  private readonly resistance: number;
  private readonly idleWatts: number;
  private readonly noisySensor: boolean;
  /** By kind: severity × signal strength. */
  private readonly severities = new Float64Array(FAILURE_TYPES.length);
  private severitiesUntilMs = -Infinity;
  private driverLoads = 0;
  private begun = false;

  /** @param stream of its random numbers, different where telemetry begins anew */
  constructor(
    seed: number,
    readonly facts: GpuFacts,
    readonly life: Life,
    stream = '',
  ) {
    const { model, dust } = facts.host;
    const { air, lookAlikes } = life.options.world;
    // What the board is comes from a stream of its own: it is the same whenever one looks.
    const board = new Random(seed, `board/${facts.stream}`);
    this.resistance = model.thermalResistance * air.cooling * board.logNormal(1, 0.06) * (1 + dust);
    this.idleWatts = model.idleWatts * board.logNormal(1.04, 0.03);
    this.noisySensor = board.chance(lookAlikes.noisySensors);
    this.random = new Random(seed, `telemetry/${facts.stream}${stream}`);
    this.faults = new GpuFaults(lookAlikes, this.random, this.tally);
    this.temperatureCelsius = 30 + this.random.between(0, 10);
    this.exporter = facts.host.exporter;
  }

  /** Whether the board is in its slot at a time, and not failed. */
  alive(nowMs: number): boolean {
    return nowMs >= this.facts.deploymentMs && nowMs < this.life.endsAtMs;
  }

  /** Whether it answers a scrape. */
  answers(nowMs: number): boolean {
    return nowMs >= this.faults.silentUntilMs;
  }

  advance(nowMs: number, stepMs: number, host: HostState): void {
    if (!this.begun) this.begin(nowMs, host);
    this.exporter = host.exporter;
    this.driverUpgrades = host.driverUpgrades;
    if (host.driverLoads !== this.driverLoads) {
      this.driverLoads = host.driverLoads;
      this.faults.reload();
      this.energyMillijoules = 0;
    }
    if (nowMs >= this.severitiesUntilMs) this.lookUpSeverities(nowMs);
    const days = stepMs / DAY_MS;
    this.work.advance(host.job, this.facts, this.random);
    this.draw(days);
    this.heat(stepMs, days, host);
    this.faults.advance(nowMs, days, this.severities, this.work.held ? (host.job?.faultsPerHour ?? 0) : 0);
    this.tally[T.days] += days;
    this.tally[T.loaded_days] += this.work.load * days;
  }

  private begin(nowMs: number, host: HostState): void {
    const { life, facts } = this;
    this.begun = true;
    this.driverLoads = host.driverLoads;
    const strength = life.options.world.signals.memory;
    this.faults.remember(
      strength * life.severityIntegral(KIND.memory, life.day(nowMs)),
      Math.max(0, nowMs - facts.deploymentMs) / DAY_MS,
    );
  }

  private lookUpSeverities(nowMs: number): void {
    const { life, severities } = this;
    this.severitiesUntilMs = nowMs + SEVERITY_EVERY_MS;
    if (life.defects.length === 0) return;
    const { signals } = life.options.world;
    const day = life.day(nowMs);
    for (const [kind, type] of FAILURE_TYPES.entries()) severities[kind] = signals[type] * life.severity(kind, day);
  }

  private draw(days: number): void {
    const { random, severities, work } = this;
    const { model, powerLimit } = this.facts.host;
    const limit = powerLimit * model.tdpWatts;
    const severity = severities[KIND.power];
    const noise = LOAD_NOISE + SIGNALS.power.noise * severity;
    let power = this.idleWatts + IDLE_NOISE_WATTS * random.normal();
    this.throttleReasons = IDLE;
    if (work.held) {
      power += FULL_LOAD * (model.tdpWatts - this.idleWatts) * work.load ** LOAD_EXPONENT;
      this.throttleReasons = work.load === 0 ? IDLE : 0;
      if (power > limit) {
        power = Math.min(power, limit);
        this.throttleReasons |= POWER_CAP;
      }
      power *= 1 + noise * random.normal();
      if (severity > 0 && random.chance(1 - Math.exp(-SIGNALS.power.brakes * severity * work.load * days))) {
        this.throttleReasons |= POWER_BRAKE;
        this.tally[T.power_brakes]++;
      }
    }
    this.powerWatts = Math.max(0.7 * model.idleWatts, power);
    this.tally[T.power_noise_days] += noise * days;
  }

  private heat(stepMs: number, days: number, host: HostState): void {
    const { random, facts, work } = this;
    const { model } = facts.host;
    const resistance = this.resistance * (1 + SIGNALS.thermal.coolingLoss * this.severities[KIND.thermal]);
    const target = host.inletCelsius + 0.5 + 0.7 * facts.position + resistance * this.powerWatts;
    // Exact for a constant target, so that a coarse cadence is as right as a fine one.
    this.temperatureCelsius += (target - this.temperatureCelsius) * (1 - Math.exp(-stepMs / THERMAL_TIME_CONSTANT_MS));
    if (this.temperatureCelsius >= model.slowdownCelsius) this.throttleReasons |= HW_THERMAL;
    else if (this.temperatureCelsius >= model.slowdownCelsius - 3) this.throttleReasons |= SW_THERMAL;
    this.memoryTemperatureCelsius =
      this.temperatureCelsius + MEMORY_OFFSET + MEMORY_LOAD_OFFSET * work.load + 0.5 * random.normal();
    const jump = this.noisySensor && random.chance(LOOK_ALIKE.sensorJump) ? LOOK_ALIKE.sensorJumpCelsius : 0;
    this.reportedTemperature = Math.round(this.temperatureCelsius + jump);

    const slowed = (this.throttleReasons & (SW_THERMAL | HW_THERMAL | POWER_BRAKE)) !== 0;
    const capped = (this.throttleReasons & POWER_CAP) !== 0;
    const clock = work.held ? model.maxSmClockMhz * (slowed ? 0.6 : capped ? 0.94 : 1) : IDLE_CLOCK_MHZ;
    this.smClockMhz = Math.round(clock / 15) * 15;
    this.energyMillijoules += Math.round(this.powerWatts * stepMs);
    this.tally[T.resistance_days] += resistance * days;
    this.tally[T.inlet_days] += host.inletCelsius * days;
  }
}
