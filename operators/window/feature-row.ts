import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../schema/clock.js';
import { FEATURE_COUNT, featureIndex } from '../../schema/features.js';
import { gpuModelFamily } from '../../schema/gpu-models.js';
import { S } from '../../schema/metrics.js';
import { EXTRA, EXTRA_WIDTH, clearVector, foldDay, foldWindow, mergeDay, mergePane, paneWidth } from './aggregate.js';
import type { Facts } from './asset-facts.js';
import { resistance, std } from './baseline.js';
import type { Chunk } from './chunk.js';
import { C, CLOSED, H, PAIR, lastMsOf, type GpuRecord } from './gpu-record.js';
import { openPane, samplesOf } from './open-pane.js';
import { D, DAY_WIDTH, P, type PaneSet } from './pane-layout.js';

const DAY_HOURS = 24;

/** Columns of a feature row. */
const I = {
  gpuTempMean: featureIndex('gpu_temp_mean'),
  gpuTempStd: featureIndex('gpu_temp_std'),
  gpuTempMin: featureIndex('gpu_temp_min'),
  gpuTempMax: featureIndex('gpu_temp_max'),
  gpuTempTrend: featureIndex('gpu_temp_trend'),
  powerMean: featureIndex('power_usage_mean'),
  powerStd: featureIndex('power_usage_std'),
  powerCv: featureIndex('power_usage_cv'),
  powerEfficiency: featureIndex('power_efficiency'),
  smActiveMean: featureIndex('sm_active_mean'),
  smActiveStd: featureIndex('sm_active_std'),
  smOccupancyMean: featureIndex('sm_occupancy_mean'),
  memoryUtilMean: featureIndex('memory_util_mean'),
  memoryUtilStd: featureIndex('memory_util_std'),
  thermalThrottle: featureIndex('thermal_throttle_count'),
  powerBrake: featureIndex('power_brake_count'),
  swPowerCap: featureIndex('sw_power_cap_count'),
  eccSbe: featureIndex('ecc_sbe_event_count'),
  eccDbe: featureIndex('ecc_dbe_event_count'),
  tempSpikes: featureIndex('temp_spike_count'),
  powerAnomalies: featureIndex('power_anomaly_count'),
  throttleHours: featureIndex('throttle_duration_hours'),
  age: featureIndex('gpu_age_days'),
  warranty: featureIndex('warranty_remaining_days'),
  operatingHours: featureIndex('total_operating_hours'),
  modelA100: featureIndex('model_a100'),
  modelH100: featureIndex('model_h100'),
  gpuTempDelta: featureIndex('gpu_temp_mean_24h_delta'),
  powerDelta: featureIndex('power_usage_mean_24h_delta'),
  memoryUtilDelta: featureIndex('memory_util_mean_24h_delta'),
  eccSbeDay: featureIndex('ecc_sbe_24h_count'),
  memoryTempMean: featureIndex('memory_temp_mean'),
  memoryTempMax: featureIndex('memory_temp_max'),
  resistance: featureIndex('thermal_resistance'),
  resistanceDelta: featureIndex('thermal_resistance_24h_delta'),
  residualSpikes: featureIndex('thermal_residual_spike_count'),
  xidHardware: featureIndex('xid_hardware_count'),
  xidPrecursor: featureIndex('xid_precursor_count'),
  xidApplication: featureIndex('xid_application_count'),
  sinceHardwareXid: featureIndex('hours_since_hardware_xid'),
  remapCorrectable: featureIndex('remap_correctable_count'),
  remapUncorrectable: featureIndex('remap_uncorrectable_count'),
  remapCorrectableTotal: featureIndex('remap_correctable_total'),
  remapUncorrectableTotal: featureIndex('remap_uncorrectable_total'),
  remapFailure: featureIndex('remap_failure'),
  pcieReplay: featureIndex('pcie_replay_count'),
  nvlinkErrors: featureIndex('nvlink_error_count'),
  smClockMean: featureIndex('sm_clock_mean'),
  smClockStd: featureIndex('sm_clock_std'),
  loadedClockDelta: featureIndex('sm_clock_under_load_24h_delta'),
  reportingRatio: featureIndex('reporting_ratio'),
  gaps: featureIndex('gap_count'),
  longestGap: featureIndex('longest_gap_hours'),
  silentMinutes: featureIndex('silent_minutes'),
  hours: featureIndex('hours_with_readings'),
  performanceHeard: featureIndex('performance_heard'),
  throttleReadings: featureIndex('throttle_readings'),
} as const;

/** Series that say how a GPU performs. */
const PERFORMANCE = [S.smClock, S.memClock, S.gpuUtil, S.smActive];

/** Computes feature rows of one feature set from a GPU's state; reads it only. */
export class FeatureRow {
  private readonly width: number;
  private readonly v2: boolean;
  /** The whole window, and the 24 hours, of the GPU at hand. */
  private readonly window: Float64Array;
  private readonly day = new Float64Array(DAY_WIDTH);

  /** The open pane, as a vector. */
  private readonly pane: Float64Array;

  constructor(
    private readonly set: PaneSet,
    private readonly hours: number,
  ) {
    this.v2 = set === 'v2';
    this.width = paneWidth(set);
    this.window = new Float64Array(this.width + EXTRA_WIDTH);
    this.pane = new Float64Array(this.width);
  }

  /** @param out receives FEATURE_COUNT values from `offset` on; NaN where there is nothing to compute from */
  compute(
    chunk: Chunk,
    local: number,
    gpu: GpuRecord,
    facts: Facts,
    asOfMs: number,
    out: Float64Array,
    offset: number,
  ): void {
    const hour = Math.floor(asOfMs / HOUR_MS);
    this.gather(chunk, local, gpu, hour);
    out.fill(NaN, offset, offset + FEATURE_COUNT);
    const fromMs = (hour - this.hours + 1) * HOUR_MS;
    this.writeLevels(out, offset);
    this.writeCounts(gpu, fromMs, out, offset);
    this.writeMemory(gpu, asOfMs, fromMs, out, offset);
    this.writePresence(gpu, asOfMs, hour, out, offset);
    if (this.v2) this.writeDay(gpu, hour, out, offset);
    this.writeAsset(chunk, local, gpu, facts, asOfMs, hour, out, offset);
  }

  /** Merges closed panes and the open one into the window of an hour. */
  private gather(chunk: Chunk, local: number, gpu: GpuRecord, hour: number): void {
    const { set, window, day, pane, width, hours } = this;
    const { hot, h, cold, c } = gpu;
    const openHour = hot[h + H.openHour];
    if (openHour === -Infinity) {
      clearVector(set, window, 0);
      window.fill(0, width);
      day.fill(0);
      return;
    }
    const isOpen = samplesOf(gpu) > 0 && openHour <= hour;
    if (isOpen) openPane(gpu, this.v2, pane);
    if (hour === openHour && isOpen) {
      mergePane(set, cold, c + CLOSED, pane, 0, window);
      if (this.v2) mergeDay(cold, c + chunk.layout.day, pane, day);
      return;
    }
    // Another hour than the open pane's: the ring has what lies in it.
    const until = Math.min(hour + 1, openHour);
    foldWindow(set, chunk.ring, local, hour - hours + 1, until, openHour, window, 0);
    if (this.v2) foldDay(chunk.ring, local, hour - DAY_HOURS + 1, until, day, 0);
    if (isOpen && openHour > hour - hours) mergePane(set, window, 0, pane, 0, window);
    if (isOpen && this.v2 && openHour > hour - DAY_HOURS) mergeDay(day, 0, pane, day);
  }

  private writeLevels(out: Float64Array, offset: number): void {
    const w = this.window;
    const temp = mean(w, P.gpuTemp);
    const power = mean(w, P.powerUsage);
    const smActive = mean(w, P.smActive);
    out[offset + I.gpuTempMean] = temp;
    out[offset + I.gpuTempStd] = std(w, P.gpuTemp);
    if (w[P.gpuTemp] > 0) {
      out[offset + I.gpuTempMin] = w[P.gpuTempMin];
      out[offset + I.gpuTempMax] = w[P.gpuTempMax];
    }
    // By the hour first, then by the day.
    if (w[this.width + EXTRA.tempHours] >= 2)
      out[offset + I.gpuTempTrend] = (DAY_HOURS * w[this.width + EXTRA.trendProducts]) / w[this.width + EXTRA.trendM2];
    out[offset + I.powerMean] = power;
    out[offset + I.powerStd] = std(w, P.powerUsage);
    out[offset + I.powerCv] = std(w, P.powerUsage) / power;
    out[offset + I.powerEfficiency] = smActive / power;
    out[offset + I.smActiveMean] = smActive;
    out[offset + I.smActiveStd] = std(w, P.smActive);
    out[offset + I.smOccupancyMean] = mean(w, P.smOccupancy);
    out[offset + I.memoryUtilMean] = mean(w, P.memoryUtil);
    out[offset + I.memoryUtilStd] = std(w, P.memoryUtil);
    out[offset + I.memoryTempMean] = mean(w, P.memoryTemp);
    if (w[P.memoryTemp] > 0) out[offset + I.memoryTempMax] = w[P.memoryTempMax];
    if (!this.v2) return;
    out[offset + I.smClockMean] = mean(w, P.smClock);
    out[offset + I.smClockStd] = std(w, P.smClock);
  }

  /**
   * A count is 0 only if what it counts was read in the window. From the first volatile ECC reading ever on, the
   * aggregate counter says nothing of errors.
   */
  private writeCounts(gpu: GpuRecord, fromMs: number, out: Float64Array, offset: number): void {
    const w = this.window;
    const { hot, h, cold, c } = gpu;
    if (w[P.throttleReadings] > 0) {
      out[offset + I.thermalThrottle] = w[P.thermalOnsets];
      out[offset + I.powerBrake] = w[P.brakeOnsets];
      out[offset + I.swPowerCap] = w[P.capOnsets];
      out[offset + I.throttleHours] = w[P.throttleMs] / HOUR_MS;
    }
    out[offset + I.throttleReadings] = w[P.throttleReadings];
    out[offset + I.performanceHeard] = performanceHeard(gpu, fromMs) ? 1 : 0;
    if (read(gpu, hot[h + H.eccSbeVol] >= 0 ? S.eccSbeVol : S.eccSbeAgg, fromMs)) out[offset + I.eccSbe] = w[P.eccSbe];
    if (read(gpu, hot[h + H.eccDbeVol] >= 0 ? S.eccDbeVol : S.eccDbeAgg, fromMs)) out[offset + I.eccDbe] = w[P.eccDbe];
    if (judged(gpu, H.tempLimit, S.gpuTemp, C.tempJudgedMs, fromMs)) out[offset + I.tempSpikes] = w[P.tempSpikes];
    if (judged(gpu, H.powerLimit, S.powerUsage, C.powerJudgedMs, fromMs))
      out[offset + I.powerAnomalies] = w[P.powerAnomalies];
    if (hot[h + H.newestMs] >= fromMs) {
      // No XID means no series, so any reading says that there was none.
      out[offset + I.xidHardware] = w[P.xidHardware];
      out[offset + I.xidPrecursor] = w[P.xidPrecursor];
      out[offset + I.xidApplication] = w[P.xidApplication];
    }
    if (read(gpu, S.remapCorrectable, fromMs)) out[offset + I.remapCorrectable] = w[P.remapCorrectable];
    if (read(gpu, S.remapUncorrectable, fromMs)) out[offset + I.remapUncorrectable] = w[P.remapUncorrectable];
    if (!this.v2) return;
    if (judged(gpu, H.residualLimit, PAIR, C.residualJudgedMs, fromMs))
      out[offset + I.residualSpikes] = w[P.residualSpikes];
    if (read(gpu, S.pcieReplay, fromMs)) out[offset + I.pcieReplay] = w[P.pcieReplays];
    if (cold[c + C.nvlinkMs] >= fromMs) out[offset + I.nvlinkErrors] = w[P.nvlinkErrors];
  }

  /** What the newest reading says, as long as it lies in the window. */
  private writeMemory(gpu: GpuRecord, asOfMs: number, fromMs: number, out: Float64Array, offset: number): void {
    if (gpu.cold[gpu.c + C.remapCorrectableMs] >= fromMs)
      out[offset + I.remapCorrectableTotal] = gpu.cold[gpu.c + C.remapCorrectable];
    if (gpu.cold[gpu.c + C.remapUncorrectableMs] >= fromMs)
      out[offset + I.remapUncorrectableTotal] = gpu.cold[gpu.c + C.remapUncorrectable];
    // The maximum over the window is 1 if the newest 1 lies in it.
    if (lastMsOf(gpu, S.remapFailure) >= fromMs)
      out[offset + I.remapFailure] = gpu.cold[gpu.c + C.remapFailureMs] >= fromMs ? 1 : 0;
    if (gpu.cold[gpu.c + C.hardwareXidMs] > -Infinity)
      out[offset + I.sinceHardwareXid] = (asOfMs - gpu.cold[gpu.c + C.hardwareXidMs]) / HOUR_MS;
  }

  private writePresence(gpu: GpuRecord, asOfMs: number, hour: number, out: Float64Array, offset: number): void {
    const w = this.window;
    const hours = w[this.width + EXTRA.hours];
    out[offset + I.hours] = hours;
    const firstMs = gpu.cold[gpu.c + C.firstMs];
    if (Number.isNaN(firstMs)) return;
    const firstHour = Math.max(Math.floor(firstMs / HOUR_MS), hour - this.hours + 1);
    out[offset + I.reportingRatio] = hours / (hour - firstHour + 1);
    out[offset + I.gaps] = w[P.gaps];
    out[offset + I.longestGap] = Math.max(0, w[P.longestGapMs]) / HOUR_MS;
    out[offset + I.silentMinutes] = (asOfMs - gpu.hot[gpu.h + H.newestMs]) / MINUTE_MS;
  }

  private writeDay(gpu: GpuRecord, hour: number, out: Float64Array, offset: number): void {
    const w = this.window;
    const { day } = this;
    const fromMs = (hour - DAY_HOURS + 1) * HOUR_MS;
    out[offset + I.gpuTempDelta] = mean(day, D.gpuTemp) - mean(w, P.gpuTemp);
    out[offset + I.powerDelta] = mean(day, D.powerUsage) - mean(w, P.powerUsage);
    out[offset + I.memoryUtilDelta] = mean(day, D.memoryUtil) - mean(w, P.memoryUtil);
    const ecc = gpu.hot[gpu.h + H.eccSbeVol] >= 0 ? S.eccSbeVol : S.eccSbeAgg;
    if (lastMsOf(gpu, ecc) >= fromMs) out[offset + I.eccSbeDay] = day[D.eccSbe];
    const slope = resistance(w, P.tempPower);
    out[offset + I.resistance] = slope;
    out[offset + I.resistanceDelta] = resistance(day, D.tempPower) - slope;
    out[offset + I.loadedClockDelta] = mean(day, D.loadedClock) - mean(w, P.loadedClock);
  }

  private writeAsset(
    chunk: Chunk,
    local: number,
    gpu: GpuRecord,
    facts: Facts,
    asOfMs: number,
    hour: number,
    out: Float64Array,
    offset: number,
  ): void {
    const inService = Number.isNaN(facts.deploymentMs) ? facts.purchaseMs : facts.deploymentMs;
    out[offset + I.age] = (asOfMs - inService) / DAY_MS;
    out[offset + I.warranty] = (facts.warrantyEndMs - asOfMs) / DAY_MS;
    const sinceMs = Number.isNaN(facts.recordedAtMs) ? inService : facts.recordedAtMs;
    if (!Number.isNaN(sinceMs)) {
      const observed = (asOfMs - sinceMs) / HOUR_MS - silentHours(chunk, local, gpu, sinceMs, hour);
      out[offset + I.operatingHours] = facts.recordedHours + Math.max(0, observed);
    }
    if (facts.model === undefined) return;
    const family = gpuModelFamily(facts.model);
    out[offset + I.modelA100] = family === 'A100' ? 1 : 0;
    out[offset + I.modelH100] = family === 'H100' ? 1 : 0;
  }
}

// No closures in what follows: they would box what they capture, for every row.

/** Whether a series was read in the window. */
function read(gpu: GpuRecord, series: number, fromMs: number): boolean {
  return lastMsOf(gpu, series) >= fromMs;
}

function performanceHeard(gpu: GpuRecord, fromMs: number): boolean {
  for (const series of PERFORMANCE) if (lastMsOf(gpu, series) >= fromMs) return true;
  return false;
}

/** Whether a reading of the window was judged: in a closed hour, or in the open one if that lies in the window. */
function judged(gpu: GpuRecord, limit: number, series: number, closedMs: number, fromMs: number): boolean {
  const { hot, h, cold, c } = gpu;
  if (cold[c + closedMs] >= fromMs) return true;
  const lastMs = lastMsOf(gpu, series);
  return hot[h + limit] === hot[h + limit] && lastMs >= fromMs && lastMs >= hot[h + H.openHour] * HOUR_MS;
}

/** Mean of a moments group; NaN without readings. */
function mean(vector: Float64Array, moments: number): number {
  return vector[moments] > 0 ? vector[moments + 1] : NaN;
}

/**
 * Closed hours without any reading: all since the first reading, if that is not before the date, else those of the
 * window that begin at or after the date.
 * @param hour the open hour, not counted
 */
function silentHours(chunk: Chunk, local: number, gpu: GpuRecord, sinceMs: number, hour: number): number {
  const { ring } = chunk;
  const { hot, h, cold, c } = gpu;
  const firstMs = cold[c + C.firstMs];
  if (Number.isNaN(firstMs)) return 0;
  const openHour = hot[h + H.openHour];
  const openCounts = openHour < hour && samplesOf(gpu) > 0 ? 1 : 0;
  if (sinceMs <= firstMs) {
    // After draining, the hour itself is counted already.
    const counted = cold[c + C.hoursCounted] + openCounts - (openHour > hour ? 1 : 0);
    return hour - Math.floor(firstMs / HOUR_MS) - counted;
  }
  const from = Math.max(hour - ring.hours + 1, Math.ceil(sinceMs / HOUR_MS));
  let heard = openCounts === 1 && openHour >= from ? 1 : 0;
  for (let index = from; index < Math.min(hour, openHour); index++)
    if (ring.get(P.samples, local, ring.positionOf(index)) > 0) heard++;
  return Math.max(0, hour - from) - heard;
}
