import { HOUR_MS } from '../schema/clock.js';

/** Hours that are kept: those of a window. */
export const HISTORY_HOURS = 168;

/** Means of one hour of a GPU; null where the hour has no reading of the metric. */
export interface HourlyMeans {
  /** Epoch ms at which the hour starts. */
  readonly hourStartMs: number;
  readonly gpuTemp: number | null;
  readonly powerUsage: number | null;
}

/**
 * The newest 168 hourly means of a GPU's temperature and power, for charts: two float32 rings, 1.3 KB a GPU. An hour
 * that brought no pane is a hole, never a repetition of the one before.
 */
export class HourlyHistory {
  private readonly gpuTemp = new Float32Array(HISTORY_HOURS).fill(NaN);
  private readonly powerUsage = new Float32Array(HISTORY_HOURS).fill(NaN);
  /** Number of the newest hour since 1970; −1 before the first. */
  private newestHour = -1;

  /**
   * Takes the means of an hour, in any order; an hour that is past the ring changes nothing.
   * @param gpuTemp °C, NaN for none
   * @param powerUsage W, NaN for none
   */
  set(hourStartMs: number, gpuTemp: number, powerUsage: number): void {
    const hour = Math.floor(hourStartMs / HOUR_MS);
    if (hour <= this.newestHour - HISTORY_HOURS) return;
    if (hour > this.newestHour) this.slideTo(hour);
    this.gpuTemp[hour % HISTORY_HOURS] = gpuTemp;
    this.powerUsage[hour % HISTORY_HOURS] = powerUsage;
  }

  /** The newest `hours` hours up to the newest one known, oldest first, holes between them included. */
  newest(hours: number): HourlyMeans[] {
    if (this.newestHour < 0) return [];
    const means: HourlyMeans[] = [];
    for (let hour = this.newestHour - Math.min(hours, HISTORY_HOURS) + 1; hour <= this.newestHour; hour++) {
      const gpuTemp = rounded(this.gpuTemp[hour % HISTORY_HOURS]);
      const powerUsage = rounded(this.powerUsage[hour % HISTORY_HOURS]);
      // Before the first hour that is known there is nothing to show, not even a hole.
      if (means.length === 0 && gpuTemp === null && powerUsage === null) continue;
      means.push({ hourStartMs: hour * HOUR_MS, gpuTemp, powerUsage });
    }
    return means;
  }

  private slideTo(hour: number): void {
    const from = Math.max(this.newestHour + 1, hour - HISTORY_HOURS + 1);
    for (let passed = from; passed <= hour; passed++) {
      this.gpuTemp[passed % HISTORY_HOURS] = NaN;
      this.powerUsage[passed % HISTORY_HOURS] = NaN;
    }
    this.newestHour = hour;
  }
}

/** Float32 has seven digits; more would only be noise in JSON. */
function rounded(value: number): number | null {
  return Number.isNaN(value) ? null : Math.round(value * 1000) / 1000;
}
