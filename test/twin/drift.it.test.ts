import { expect, it } from 'vitest';
import { WindowStore } from '../../operators/window/window-store.js';
import { RowResults } from '../../operators/window/window.js';
import { BatchBuilder } from '../../schema/batch.js';
import { F, FEATURE_COUNT } from '../../schema/features.js';
import { seriesId } from '../../schema/metrics.js';
import { differences } from './compare.js';

/**
 * Ten million readings of one GPU, one sample a second for more than a week, among two that are read less often: what
 * the windows say at the end is what the readings of the last 168 hours say, each looked at once more.
 */
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 5, 0, 30);
const READINGS = 10_000_000;
const SERIES = ['gpu_temp', 'power_usage', 'memory_util', 'sm_active', 'sm_clock', 'throttle_reasons', 'ecc_sbe_vol'];
const REST = ['memory_temp', 'sm_occupancy', 'gpu_util', 'ecc_dbe_vol', 'pcie_replay', 'mem_clock', 'tensor_active'];
const SAMPLES = Math.ceil(READINGS / (SERIES.length + REST.length));
const PER_BATCH = 3600;

/** xorshift32 */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Readings of the fast GPU by series: what the twin has to go by. */
const kept = Object.fromEntries(SERIES.map((name) => [name, new Float64Array(SAMPLES)]));

function read(next: () => number, sample: number, errors: { count: number }): Record<string, number> {
  // Busy and idle by turns, with a load that wanders: means and spreads of hours differ.
  const load = (sample % 20_000 < 14_000 ? 0.6 : 0.05) + 0.3 * next();
  if (next() < 1e-4) errors.count += 1 + Math.floor(3 * next());
  return {
    gpu_temp: Math.round(30 + 40 * load + next() * 3) + (next() < 1e-4 ? 30 : 0),
    power_usage: 90.1 + 600.3 * load + 5 * next(),
    memory_util: 100 * next() * load,
    sm_active: Math.min(100, 100 * load),
    sm_clock: 1980 - Math.round(200 * next()),
    throttle_reasons: next() < 0.001 ? 0x40 : 0,
    ecc_sbe_vol: errors.count,
  };
}

const mean = (values: Float64Array, from = 0): number => {
  let sum = 0;
  for (let index = from; index < values.length; index++) sum += values[index];
  return sum / (values.length - from);
};

function std(values: Float64Array, from = 0): number {
  const middle = mean(values, from);
  let squares = 0;
  for (let index = from; index < values.length; index++) squares += (values[index] - middle) ** 2;
  return Math.sqrt(squares / (values.length - from - 1));
}

/** Onsets of readings beyond what the 167 hours before their hour lead to expect. */
function spikes(values: Float64Array, least: number, timeOf: (index: number) => number, windowFrom: number): number {
  let onsets = 0;
  let before = false;
  let limit = NaN;
  let hour = -1;
  for (let index = 0; index < values.length; index++) {
    const own = Math.floor(timeOf(index) / HOUR);
    if (own !== hour) {
      hour = own;
      const first = Math.max(0, Math.ceil(((own - 167) * HOUR - START) / SECOND));
      const history = values.subarray(first, index);
      limit = own - Math.floor(START / HOUR) < 24 ? NaN : mean(history) + Math.max(2 * std(history), least) + 0.001;
    }
    const beyond = values[index] > limit;
    if (beyond && !before && timeOf(index) >= windowFrom) onsets++;
    before = beyond;
  }
  return onsets;
}

/** The definitions of docs/features.md, over all readings of the window. */
function twin(t: number): { values: Record<string, number>; scales: Record<string, number> } {
  const timeOf = (index: number): number => START + index * SECOND;
  const from = Math.floor(t / HOUR) * HOUR - 167 * HOUR;
  const first = Math.max(0, Math.ceil((from - START) / SECOND));
  const dayFirst = Math.ceil((Math.floor(t / HOUR) * HOUR - 23 * HOUR - START) / SECOND);
  const values: Record<string, number> = {};
  const scales: Record<string, number> = {};
  for (const name of ['gpu_temp', 'power_usage', 'memory_util', 'sm_active', 'sm_clock']) {
    values[`${name}_mean`] = mean(kept[name], first);
    values[`${name}_std`] = std(kept[name], first);
    scales[`${name}_std`] = Math.max(values[`${name}_mean`], values[`${name}_std`]);
  }
  const [temps, powers, masks, errors] = ['gpu_temp', 'power_usage', 'throttle_reasons', 'ecc_sbe_vol'].map(
    (name) => kept[name],
  );
  values.gpu_temp_mean_24h_delta = mean(temps, dayFirst) - values.gpu_temp_mean;
  scales.gpu_temp_mean_24h_delta = values.gpu_temp_mean;
  let products = 0;
  for (let index = first; index < SAMPLES; index++)
    products += (powers[index] - values.power_usage_mean) * (temps[index] - values.gpu_temp_mean);
  values.thermal_resistance = products / (values.power_usage_std ** 2 * (SAMPLES - first - 1));
  scales.thermal_resistance = values.gpu_temp_mean / values.power_usage_std;
  const hours = new Map<number, { n: number; sum: number }>();
  for (let index = first; index < SAMPLES; index++) {
    const hour = Math.floor(timeOf(index) / HOUR);
    const at = hours.get(hour) ?? { n: 0, sum: 0 };
    hours.set(hour, { n: at.n + 1, sum: at.sum + temps[index] });
  }
  const points = [...hours].map(([hour, { n, sum }]) => ({ x: (hour * HOUR) / DAY, y: sum / n, n }));
  const x = points.reduce((sum, point) => sum + point.n * point.x, 0) / (SAMPLES - first);
  const xy = points.reduce((sum, point) => sum + point.n * (point.x - x) * (point.y - values.gpu_temp_mean), 0);
  values.gpu_temp_trend = xy / points.reduce((sum, point) => sum + point.n * (point.x - x) ** 2, 0);
  scales.gpu_temp_trend = values.gpu_temp_mean;
  let [errorCount, onsets, throttledMs] = [0, 0, 0];
  for (let index = Math.max(1, first); index < SAMPLES; index++) {
    errorCount += errors[index] - errors[index - 1];
    if (masks[index] === 0x40 && masks[index - 1] === 0) onsets++;
    if (masks[index - 1] === 0x40) throttledMs += SECOND;
  }
  values.ecc_sbe_event_count = errorCount;
  values.thermal_throttle_count = onsets;
  values.throttle_duration_hours = throttledMs / HOUR;
  values.temp_spike_count = spikes(temps, 5, timeOf, from);
  values.power_anomaly_count = spikes(powers, 50, timeOf, from);
  values.hours_with_readings = hours.size;
  values.gap_count = 0;
  return { values, scales };
}

it('do not drift: after ten million readings they say what the last week says', () => {
  const store = new WindowStore({ gapMs: 300_000, asset: () => undefined });
  const slots = Int32Array.from(['GPU-fast', 'GPU-slow', 'GPU-slower'], (uuid) => store.slotOf(uuid));
  const ids = new Map([...SERIES, ...REST].map((name) => [name, seriesId(name)]));
  const next = random(2463534242);
  const errors = { count: 5 };
  const results = new RowResults();
  let refused = 0;
  const refuse = (): void => void refused++;
  for (let first = 0; first < SAMPLES; first += PER_BATCH) {
    const builder = new BatchBuilder(2 * PER_BATCH);
    for (const uuid of ['GPU-fast', 'GPU-slow', 'GPU-slower']) builder.begin(uuid, 0);
    for (let sample = first; sample < Math.min(SAMPLES, first + PER_BATCH); sample++) {
      const readings = read(next, sample, errors);
      builder.begin('GPU-fast', START + sample * SECOND);
      for (const name of SERIES) builder.set(ids.get(name)!, (kept[name][sample] = readings[name]));
      for (const name of REST) builder.set(ids.get(name)!, 7);
      builder.end();
      for (const [uuid, every] of [
        ['GPU-slow', 10],
        ['GPU-slower', 60],
      ] as const) {
        if (sample % every !== 0) continue;
        builder.begin(uuid, START + sample * SECOND);
        builder.set(ids.get('gpu_temp')!, readings.gpu_temp);
        builder.end();
      }
    }
    const batch = builder.build();
    for (let row = 0; row < batch.count; row++) store.acceptRows(batch, row, row + 1, slots, refuse, refuse, results);
    store.freeSilent();
  }
  const t = START + (SAMPLES - 1) * SECOND;
  expect([refused, store.newestMs(slots[0]), t - START > 8 * DAY]).toEqual([0, t, true]);
  const row = new Float64Array(FEATURE_COUNT);
  store.features(slots[0], t, row, 0);
  const expected = twin(t);
  const names = Object.keys(expected.values);
  expect(expected.values.temp_spike_count).toBeGreaterThan(10);
  expect(differences(names, (name) => row[F[name]], expected)).toEqual([]);
});
