import { DAY_MS, HOUR_MS } from '../schema/clock.js';
import type { GpuFacts } from './inventory.js';
import type { HostState } from './host-state.js';
import type { Life } from './life.js';
import { Random } from './random.js';

/** Time in which a heat sink takes on most of a change of power. */
const THERMAL_TIME_CONSTANT_MS = 90_000;
/** °C that memory runs above the die at idle, and what load takes off: AcmeTrace has +16 at p25 and +4 at p90. */
const MEMORY_OFFSET = 15;
const MEMORY_LOAD_OFFSET = -10;
/** Cooling gets so much worse at full severity of a thermal defect. */
const COOLING_LOSS = 0.45;
/** Throttle reasons, bits of DCGM_FI_DEV_CLOCKS_EVENT_REASONS. */
const IDLE = 0x1;
const POWER_CAP = 0x4;
const SW_THERMAL = 0x20;
const HW_THERMAL = 0x40;
const POWER_BRAKE = 0x80;
/** Events a day at full severity of their defect, and of healthy boards. */
const SBE_PER_DAY = 60;
const SBE_HEALTHY_PER_DAY = 0.03;
const CORRECTABLE_REMAPS_PER_DAY = 0.5;
const UNCORRECTABLE_REMAPS_PER_DAY = 0.2;
const DBE_PER_DAY = 0.03;
const PCIE_REPLAYS_PER_DAY = 250;
const LINK_XIDS_PER_DAY = 0.4;
const POWER_XIDS_PER_DAY = 0.1;
/** Boards on a noisy riser replay all their lives and never fail of it. */
const NOISY_PCIE = 0.05;
const NOISY_PCIE_PER_DAY = 40;
/** Sensors that jump now and then without any meaning. */
const NOISY_SENSOR = 0.03;
const APPLICATION_XIDS = [13, 31, 43] as const;

/** A GPU's telemetry at one scrape; one object a GPU, overwritten at each. */
export class GpuState {
  temperatureCelsius: number;
  memoryTemperatureCelsius = 0;
  powerWatts = 0;
  smActive = 0;
  smOccupancy = 0;
  tensorActive = 0;
  dramActive = 0;
  gpuUtil = 0;
  fbUsedMiB = 0;
  throttleReasons = IDLE;
  smClockMhz = 0;
  eccSbeVolatile = 0;
  eccSbeAggregate = 0;
  eccDbeVolatile = 0;
  eccDbeAggregate = 0;
  remapCorrectable = 0;
  remapUncorrectable = 0;
  remapFailure = 0;
  pcieReplays = 0;
  /** −1: no XID since the driver was loaded. */
  xid = -1;
  energyMillijoules = 0;

  private readonly random: Random;
  private readonly resistance: number;
  private readonly noisyPcie: boolean;
  private readonly noisySensor: boolean;
  private driverLoads = 0;
  private jobId = -1;
  private jobLoad = 0;

  constructor(
    seed: number,
    readonly facts: GpuFacts,
    readonly life: Life,
  ) {
    this.random = new Random(seed, `telemetry/${facts.index}`);
    this.resistance = facts.host.model.thermalResistance * this.random.logNormal(1, 0.06);
    this.noisyPcie = this.random.chance(NOISY_PCIE);
    this.noisySensor = this.random.chance(NOISY_SENSOR);
    this.temperatureCelsius = 30 + this.random.between(0, 10);
  }

  /** Whether the GPU answers at a time. */
  alive(nowMs: number): boolean {
    return nowMs < this.life.failedAtMs;
  }

  advance(nowMs: number, stepMs: number, host: HostState): void {
    if (host.driverLoads !== this.driverLoads) this.reload(host.driverLoads);
    this.work(host);
    this.draw(nowMs, stepMs, host);
    this.count(nowMs, stepMs, host);
  }

  /** A reboot: what the driver counts begins anew, what the board keeps stays. */
  private reload(loads: number): void {
    this.driverLoads = loads;
    this.eccSbeVolatile = 0;
    this.eccDbeVolatile = 0;
    this.pcieReplays = 0;
    this.energyMillijoules = 0;
    this.xid = -1;
  }

  private work(host: HostState): void {
    const { random, facts } = this;
    const job = host.job !== null && ((host.job.positions >> facts.position) & 1) === 1 ? host.job : null;
    if (job === null) {
      this.jobId = -1;
      this.jobLoad = 0;
      this.smActive = this.smOccupancy = this.tensorActive = this.dramActive = this.gpuUtil = 0;
      this.fbUsedMiB = 4;
      return;
    }
    if (job.id !== this.jobId) {
      this.jobId = job.id;
      this.jobLoad = Math.min(1, Math.max(0.05, job.load + 0.03 * random.normal()));
      this.fbUsedMiB = Math.round(job.memory * facts.host.model.memoryMiB);
    }
    // Now and then a job waits for data or writes a checkpoint.
    const pause = random.chance(0.04) ? random.between(0, 0.4) : 1;
    const load = Math.min(1, Math.max(0, this.jobLoad * pause + 0.03 * random.normal()));
    this.smActive = Math.min(100, 88 * load * random.between(0.9, 1.08));
    this.smOccupancy = this.smActive * 0.55;
    this.tensorActive = Math.min(100, 30 * load * random.between(0.6, 1.4));
    this.dramActive = Math.min(100, 45 * load * random.between(0.8, 1.2));
    this.gpuUtil = load > 0.05 ? Math.min(100, Math.round(92 + 8 * load + random.normal())) : Math.round(100 * load);
  }

  private draw(nowMs: number, stepMs: number, host: HostState): void {
    const { random, facts, life } = this;
    const { model } = facts.host;
    const load = this.smActive / 88;
    const powerDefect = life.severity('power', nowMs);
    let power = model.idleWatts + 1.02 * (model.tdpWatts - model.idleWatts) * Math.min(1.08, load);
    power *= 1 + (0.015 + 0.06 * powerDefect) * random.normal();
    power += 1.5 * random.normal();
    this.throttleReasons = load === 0 ? IDLE : 0;
    if (power > 0.97 * model.tdpWatts) {
      power = Math.min(power, model.tdpWatts * 1.02);
      this.throttleReasons |= POWER_CAP;
    }
    if (powerDefect > 0 && random.chance(1 - Math.exp((-powerDefect * 6 * stepMs * load) / DAY_MS)))
      this.throttleReasons |= POWER_BRAKE;
    this.powerWatts = Math.max(0.7 * model.idleWatts, power);

    const resistance = this.resistance * (1 + COOLING_LOSS * life.severity('thermal', nowMs));
    const target = host.inletCelsius + 3 + 0.7 * facts.position + resistance * this.powerWatts;
    // Exact for a constant target, so that a coarse cadence is as right as a fine one.
    this.temperatureCelsius += (target - this.temperatureCelsius) * (1 - Math.exp(-stepMs / THERMAL_TIME_CONSTANT_MS));
    if (this.temperatureCelsius >= model.slowdownCelsius) this.throttleReasons |= HW_THERMAL;
    else if (this.temperatureCelsius >= model.slowdownCelsius - 3) this.throttleReasons |= SW_THERMAL;
    this.memoryTemperatureCelsius =
      this.temperatureCelsius + MEMORY_OFFSET + MEMORY_LOAD_OFFSET * load + 0.5 * random.normal();

    const slowed = (this.throttleReasons & (SW_THERMAL | HW_THERMAL | POWER_BRAKE)) !== 0;
    const clock =
      load === 0 ? 345 : model.maxSmClockMhz * (slowed ? 0.6 : (this.throttleReasons & POWER_CAP) !== 0 ? 0.94 : 1);
    this.smClockMhz = Math.round(clock / 15) * 15;
    this.energyMillijoules += Math.round(this.powerWatts * stepMs);
  }

  /** The temperature as the sensor tells it: whole degrees, and a glitch now and then on a few boards. */
  get reportedTemperature(): number {
    const glitch = this.noisySensor && this.random.chance(0.002) ? 15 : 0;
    return Math.round(this.temperatureCelsius + glitch);
  }

  private count(nowMs: number, stepMs: number, host: HostState): void {
    const { random, life } = this;
    const days = stepMs / DAY_MS;
    const memory = life.severity('memory', nowMs);
    const link = life.severity('interconnect', nowMs);
    const power = life.severity('power', nowMs);
    const sbe = random.poisson((SBE_HEALTHY_PER_DAY + SBE_PER_DAY * memory) * days);
    this.eccSbeVolatile += sbe;
    this.eccSbeAggregate += sbe;
    if (memory > 0) {
      const corrected = random.poisson(CORRECTABLE_REMAPS_PER_DAY * memory * days);
      const uncorrected = random.poisson(UNCORRECTABLE_REMAPS_PER_DAY * memory * days);
      const dbe = random.poisson(DBE_PER_DAY * memory * days);
      this.remapCorrectable += corrected;
      this.remapUncorrectable += uncorrected;
      this.eccDbeVolatile += dbe;
      this.eccDbeAggregate += dbe;
      if (dbe > 0) this.xid = 48;
      else if (uncorrected > 0) this.xid = 63;
      else if (random.chance(2 * memory * days)) this.xid = 92;
      if (uncorrected > 0 && random.chance(0.03)) {
        this.remapFailure = 1;
        this.xid = 64;
      }
    }
    const replays = (this.noisyPcie ? NOISY_PCIE_PER_DAY : 0.05) + PCIE_REPLAYS_PER_DAY * link;
    this.pcieReplays += random.poisson(replays * days);
    if (link > 0 && random.chance(1 - Math.exp(-LINK_XIDS_PER_DAY * link * days))) this.xid = 74;
    if (power > 0 && random.chance(1 - Math.exp(-POWER_XIDS_PER_DAY * power * days))) this.xid = 62;
    if (
      this.jobId >= 0 &&
      host.job !== null &&
      random.chance(1 - Math.exp((-host.job.faultsPerHour * stepMs) / HOUR_MS))
    )
      this.xid = random.pick(APPLICATION_XIDS);
  }
}
