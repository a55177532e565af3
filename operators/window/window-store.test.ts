import { describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../schema/clock.js';
import { V1_FEATURES } from '../../schema/features.js';
import { OneGpu, T0 } from '../../test/one-gpu.js';
import { ACCEPTED, LATE, PANE_CLOSED } from './window.js';

describe('order', () => {
  it('takes each event time of a metric once and calls the older ones late', () => {
    const gpu = new OneGpu();
    expect(gpu.at(T0 + 1000, { gpu_temp: 50 })).toBe(ACCEPTED);
    expect(gpu.at(T0 + 1000, { gpu_temp: 60, power_usage: 100 })).toBe(ACCEPTED);
    expect(gpu.at(T0 + 500, { gpu_temp: 70 })).toBe(LATE);
    expect(gpu.store.lateReadings).toEqual({ gpu_temp: 70 });
    expect(gpu.at(T0 + 2000, { power_usage: 200 })).toBe(ACCEPTED);
    expect(gpu.at(T0 + 1500, { gpu_temp: 52 })).toBe(ACCEPTED);
    expect(gpu.store.lateReadings).toEqual({});
    expect(gpu.rejects).toEqual([
      ['duplicate', 'gpu_temp'],
      ['late', 'gpu_temp'],
    ]);
    expect(gpu.features().gpu_temp_mean).toBe(51);
  });

  it('calls readings of a closed hour late, whichever their metric, but a repeated one a duplicate', () => {
    const gpu = new OneGpu();
    gpu.at(T0, { gpu_temp: 50 });
    expect(gpu.at(T0 + HOUR_MS, { power_usage: 100 })).toBe(ACCEPTED | PANE_CLOSED);
    expect(gpu.at(T0 + 1, { sm_active: 5, gpu_temp: 51 })).toBe(LATE);
    expect(gpu.at(T0, { gpu_temp: 50 })).toBe(0);
    expect(gpu.rejects).toEqual([
      ['late', 'gpu_temp'],
      ['late', 'sm_active'],
      ['duplicate', 'gpu_temp'],
    ]);
  });

  it('closes the hour at the first accepted reading of a later one, with what it held', () => {
    const gpu = new OneGpu();
    gpu.at(T0 + 60_000, { gpu_temp: 50, ecc_sbe_vol: 3 });
    gpu.at(T0 + 120_000, { gpu_temp: 54, ecc_sbe_vol: 8 });
    expect(gpu.panes).toHaveLength(0);
    expect(gpu.at(T0 + HOUR_MS, { fb_used: 10 })).toBe(0);
    expect(gpu.panes).toHaveLength(0);
    gpu.at(T0 + 3 * HOUR_MS, { gpu_temp: 1 });
    expect(gpu.panes).toHaveLength(1);
    expect(gpu.panes[0]).toMatchObject({
      slot: gpu.slot,
      hourStartMs: T0,
      samples: 2,
      aggregates: {
        gpu_temp_n: 2,
        gpu_temp_mean: 52,
        gpu_temp_m2: 8,
        gpu_temp_min: 50,
        gpu_temp_max: 54,
        ecc_sbe_errors: 5,
        power_usage_n: 0,
        power_usage_mean: null,
        ecc_dbe_errors: null,
        gaps: 0,
        longest_gap_ms: null,
      },
    });
  });

  it('closes the open pane once when asked to, and calls what follows in that hour late', () => {
    const gpu = new OneGpu();
    gpu.at(T0, { gpu_temp: 50 });
    const before = gpu.features(T0 + 1);
    gpu.store.closeOpenPane(gpu.slot);
    gpu.store.closeOpenPane(gpu.slot);
    expect(gpu.panes.map((pane) => pane.hourStartMs)).toEqual([T0]);
    expect(gpu.features(T0 + 1)).toEqual(before);
    expect(gpu.at(T0 + 1, { gpu_temp: 51 })).toBe(LATE);
    gpu.at(T0 + HOUR_MS, { gpu_temp: 52 });
    expect(gpu.features().gpu_temp_mean).toBe(51);
  });
});

describe('feature set v1', () => {
  it('is all absent for a GPU that was never heard', () => {
    const features = new OneGpu().features(T0);
    for (const name of V1_FEATURES) expect([name, features[name]]).toEqual([name, NaN]);
  });

  it('has mean, spread, extremes and the trend a day over panes and the open hour', () => {
    const gpu = new OneGpu();
    for (let hour = 0; hour < 5; hour++)
      for (const [minute, offset] of [
        [0, -1],
        [30, 1],
      ])
        gpu.at(T0 + hour * HOUR_MS + minute * MINUTE_MS, { gpu_temp: 50 + hour + offset, power_usage: 300 });
    const features = gpu.features();
    expect(features.gpu_temp_mean).toBeCloseTo(52, 12);
    expect(features.gpu_temp_std).toBeCloseTo(Math.sqrt((10 + 20) / 9), 9);
    expect([features.gpu_temp_min, features.gpu_temp_max]).toEqual([49, 55]);
    expect(features.gpu_temp_trend).toBeCloseTo(24, 9);
    expect([features.power_usage_mean, features.power_usage_std, features.power_usage_cv]).toEqual([300, 0, 0]);
    expect(features.power_efficiency).toBeNaN();
  });

  it('slides with time, with and without readings', () => {
    const gpu = new OneGpu();
    gpu.at(T0 + 30 * MINUTE_MS, { gpu_temp: 10, throttle_reasons: 0x40 });
    gpu.at(T0 + HOUR_MS, { gpu_temp: 20, throttle_reasons: 0x40 });
    expect(gpu.features(T0 + 168 * HOUR_MS - 1).gpu_temp_mean).toBe(15);
    expect(gpu.features(T0 + 168 * HOUR_MS).gpu_temp_mean).toBe(20);
    expect(gpu.features(T0 + 168 * HOUR_MS).thermal_throttle_count).toBe(1);
    const after = gpu.features(T0 + 169 * HOUR_MS);
    expect([after.gpu_temp_mean, after.gpu_temp_min, after.thermal_throttle_count]).toEqual([NaN, NaN, NaN]);
    gpu.at(T0 + 168 * HOUR_MS, { gpu_temp: 30 });
    expect(gpu.features().gpu_temp_mean).toBe(25);
  });

  it('counts onsets of throttling, again after a gap, and time only over steps without one', () => {
    const gpu = new OneGpu();
    const minute = (n: number, mask: number) => gpu.at(T0 + n * MINUTE_MS, { throttle_reasons: mask });
    minute(0, 0x20);
    minute(5, 0x40);
    minute(6, 0x84);
    minute(7, 0x08);
    minute(13, 0x28);
    minute(14, 0x01);
    minute(15, 0x28);
    const features = gpu.features();
    expect(features.thermal_throttle_count).toBe(3);
    expect(features.power_brake_count).toBe(1);
    expect(features.sw_power_cap_count).toBe(1);
    expect(features.throttle_duration_hours).toBeCloseTo((5 + 1 + 1 + 1) / 60, 12);
    expect(features.throttle_readings).toBe(7);
  });

  it('counts increments of ECC errors: zeros are missing, VOL restarts, AGG is left out once VOL is seen', () => {
    const gpu = new OneGpu();
    let ms = T0;
    const read = (readings: Record<string, number>) => gpu.at((ms += 1000), readings);
    read({ ecc_sbe_agg: 100, ecc_dbe_agg: 7 });
    read({ ecc_sbe_agg: 104, ecc_dbe_agg: 0 });
    expect([gpu.features().ecc_sbe_event_count, gpu.features().ecc_dbe_event_count]).toEqual([4, 0]);
    read({ ecc_dbe_agg: 3 });
    read({ ecc_dbe_agg: 5 });
    read({ ecc_sbe_agg: 110, ecc_sbe_vol: 2 });
    read({ ecc_sbe_agg: 200, ecc_sbe_vol: 5 });
    read({ ecc_sbe_vol: 0 });
    read({ ecc_sbe_vol: 6 });
    read({ ecc_sbe_vol: 4 });
    expect([gpu.features().ecc_sbe_event_count, gpu.features().ecc_dbe_event_count]).toEqual([4 + 3 + 1 + 4, 2]);
  });

  it('takes an AGG increment back when VOL of the same time arrives in a later sample', () => {
    const gpu = new OneGpu();
    gpu.at(T0, { ecc_sbe_agg: 1 });
    gpu.at(T0 + 1, { ecc_sbe_agg: 9 });
    expect(gpu.features().ecc_sbe_event_count).toBe(8);
    gpu.at(T0 + 1, { ecc_sbe_vol: 3 });
    expect(gpu.features().ecc_sbe_event_count).toBe(0);
  });

  it('knows nothing of ECC errors where only AGG is heard after VOL ever was', () => {
    const gpu = new OneGpu();
    gpu.at(T0, { ecc_sbe_agg: 1, ecc_dbe_agg: 0, ecc_sbe_vol: 3 });
    for (const day of [1, 8]) gpu.at(T0 + day * 24 * HOUR_MS, { ecc_sbe_agg: 9, ecc_dbe_agg: 0 });
    const { ecc_sbe_event_count, ecc_sbe_24h_count, ecc_dbe_event_count } = gpu.features();
    expect([ecc_sbe_event_count, ecc_sbe_24h_count, ecc_dbe_event_count]).toEqual([NaN, NaN, 0]);
    expect(gpu.panes[1].aggregates).toMatchObject({ ecc_sbe_errors: null, ecc_dbe_errors: 0 });
  });

  it('judges spikes only against 24 hours of readings and counts them by onset', () => {
    const gpu = new OneGpu();
    const hour = (n: number) => T0 + n * HOUR_MS;
    for (let n = 0; n < 23; n++) gpu.at(hour(n), { gpu_temp: 50, power_usage: 300 });
    gpu.at(hour(23), { gpu_temp: 90, power_usage: 900 });
    expect(gpu.features().temp_spike_count).toBeNaN();
    // 24 hours: mean 51.67, 2 s = 16.3; power: mean 325, 2 s = 245.
    gpu.at(hour(24), { gpu_temp: 60, power_usage: 560 });
    expect([gpu.features().temp_spike_count, gpu.features().power_anomaly_count]).toEqual([0, 0]);
    gpu.at(hour(24) + 1000, { gpu_temp: 69, power_usage: 571 });
    gpu.at(hour(24) + 2000, { gpu_temp: 69 });
    gpu.at(hour(24) + 3000, { gpu_temp: 50 });
    gpu.at(hour(24) + 4000, { gpu_temp: 69 });
    gpu.at(hour(24) + 4000 + 300_001, { gpu_temp: 69 });
    expect([gpu.features().temp_spike_count, gpu.features().power_anomaly_count]).toEqual([3, 1]);
  });

  it('does not call a whole-degree tie a spike', () => {
    const gpu = new OneGpu();
    for (let n = 0; n < 24; n++) gpu.at(T0 + n * HOUR_MS, { gpu_temp: 50, power_usage: 312.3 });
    gpu.at(T0 + 24 * HOUR_MS, { gpu_temp: 55, power_usage: 362.3 });
    expect([gpu.features().temp_spike_count, gpu.features().power_anomaly_count]).toEqual([0, 0]);
    gpu.at(T0 + 24 * HOUR_MS + 1, { gpu_temp: 56, power_usage: 362.4 });
    expect([gpu.features().temp_spike_count, gpu.features().power_anomaly_count]).toEqual([1, 1]);
  });

  it('derives memory_util from used, free and reserved, and from a total that is given', () => {
    const gpu = new OneGpu();
    gpu.at(T0, { fb_used: 10 });
    expect(gpu.store.newestMs(gpu.slot)).toBeNaN();
    gpu.at(T0, { fb_free: 70 });
    expect(gpu.features().memory_util_mean).toBe(12.5);
    gpu.at(T0, { fb_reserved: 20 });
    expect(gpu.features().memory_util_mean).toBe(10);
    gpu.at(T0 + 1, { fb_used: 30 });
    expect(gpu.features().memory_util_mean).toBe(20);
    expect(gpu.at(T0 + 1, { fb_used: 31, fb_free: 1 })).toBe(0);
    expect(gpu.rejects).toEqual([['duplicate', 'memory_util']]);
    const given = new OneGpu();
    given.at(T0, { fb_used: 40, fb_free: 1, fb_total: 80 });
    expect(given.features().memory_util_mean).toBe(50);
    given.at(T0 + 1, { fb_used: 90 });
    expect(given.rejects).toEqual([['range', 'memory_util']]);
  });
});

describe('asset features', () => {
  it('goes by the asset record, field by field before the newest sample that bears the field', () => {
    const gpu = new OneGpu({ record: { deployment_date: '2025-01-05', warranty_end: null } });
    const metadata = { model: 'NVIDIA A100-SXM4-80GB', deploymentDateMs: 0, warrantyEndMs: T0 + DAY_MS, host: 'n1' };
    gpu.at(T0, { gpu_temp: 50 }, metadata);
    gpu.at(T0 + 1000, { gpu_temp: 50 }, { model: 'NVIDIA H100 80GB HBM3' });
    gpu.at(T0 + 500, { power_usage: 50 }, { model: 'RTX A1000', host: 'n2' });
    const features = gpu.features(T0 + 12 * HOUR_MS);
    expect(features).toMatchObject({ gpu_age_days: 365.5, warranty_remaining_days: 0.5, model_a100: 0, model_h100: 1 });
    expect(gpu.store.metadata(gpu.slot)).toEqual({
      model: 'NVIDIA H100 80GB HBM3',
      host: 'n2',
      deploymentDateMs: Date.UTC(2025, 0, 5),
      warrantyEndMs: T0 + DAY_MS,
    });
  });

  it('counts operating hours from the recorded date, less closed hours without readings', () => {
    const record = { operating_hours: 1000, operating_hours_at: '2026-01-05' };
    const gpu = new OneGpu({ record });
    gpu.at(T0 + 10 * HOUR_MS, { gpu_temp: 50 });
    gpu.at(T0 + 14 * HOUR_MS, { gpu_temp: 50 });
    // Date not after the first reading: 14.5 h, of which 11, 12, 13 were silent.
    expect(gpu.features(T0 + 14.5 * HOUR_MS).total_operating_hours).toBe(1011.5);
    expect(gpu.features(T0 + 16 * HOUR_MS).total_operating_hours).toBe(1000 + 16 - 4);
    const later = new OneGpu({ record: { operating_hours_at: '2026-01-06' } });
    later.at(T0 + 10 * HOUR_MS, { gpu_temp: 50 });
    expect(later.features().total_operating_hours).toBe(0);
    later.at(T0 + 25 * HOUR_MS, { gpu_temp: 50 });
    expect(later.features(T0 + 27 * HOUR_MS).total_operating_hours).toBe(3 - 2);
    expect(new OneGpu({ record: {} }).features(T0).total_operating_hours).toBeNaN();
  });
});
