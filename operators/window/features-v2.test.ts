import { describe, expect, it } from 'vitest';
import { HOUR_MS, MINUTE_MS } from '../../schema/clock.js';
import { OneGpu, T0 } from '../../test/one-gpu.js';

const hour = (n: number): number => T0 + n * HOUR_MS;
const minute = (n: number): number => T0 + n * MINUTE_MS;

describe('feature set v2', () => {
  it('compares the open hour and the 23 before it with the whole window', () => {
    const gpu = new OneGpu();
    gpu.at(hour(0), { gpu_temp: 40, ecc_sbe_vol: 1 });
    gpu.at(hour(1), { gpu_temp: 50, ecc_sbe_vol: 4 });
    gpu.at(hour(24), { gpu_temp: 60, ecc_sbe_vol: 5 });
    expect(gpu.features().gpu_temp_mean_24h_delta).toBe(55 - 50);
    expect([gpu.features().ecc_sbe_24h_count, gpu.features().ecc_sbe_event_count]).toEqual([4, 4]);
    const later = gpu.features(hour(25));
    expect([later.gpu_temp_mean_24h_delta, later.ecc_sbe_24h_count]).toEqual([10, 1]);
    expect(gpu.features(hour(48)).gpu_temp_mean_24h_delta).toBeNaN();
    expect(gpu.features(hour(48)).ecc_sbe_24h_count).toBeNaN();
  });

  it('fits temperature over power at equal times, whichever arrives first, and not over steady power', () => {
    const gpu = new OneGpu();
    gpu.at(minute(0), { gpu_temp: 40, power_usage: 100 });
    gpu.at(minute(1), { power_usage: 200 });
    gpu.at(minute(1), { gpu_temp: 50 });
    gpu.at(minute(2), { gpu_temp: 120 });
    gpu.at(minute(3), { power_usage: 900 });
    expect(gpu.features().thermal_resistance).toBeCloseTo(0.1, 12);
    const steady = new OneGpu();
    for (const [n, power] of [96, 100, 104].entries()) steady.at(minute(n), { gpu_temp: 40 + n, power_usage: power });
    expect(steady.features().thermal_resistance).toBeNaN();
    const enough = new OneGpu();
    for (const [n, power] of [95, 100, 105].entries()) enough.at(minute(n), { gpu_temp: 40 + n, power_usage: power });
    expect(enough.features().thermal_resistance).toBeCloseTo(0.2, 12);
  });

  it('counts a temperature that power does not explain, though the temperature itself is common', () => {
    const gpu = new OneGpu();
    for (let n = 0; n < 24; n++)
      for (const [offset, power] of [100, 400].entries())
        gpu.at(hour(n) + offset, { gpu_temp: 30 + power / 10, power_usage: power });
    gpu.at(hour(24), { gpu_temp: 70, power_usage: 400 });
    expect(gpu.features().thermal_residual_spike_count).toBe(0);
    gpu.at(hour(24) + 1, { gpu_temp: 60, power_usage: 100 });
    gpu.at(hour(24) + 2, { gpu_temp: 60, power_usage: 100 });
    expect([gpu.features().thermal_residual_spike_count, gpu.features().temp_spike_count]).toEqual([1, 0]);
  });

  it('counts changes of the XID, by class, across gaps; the first ever only of a GPU heard before', () => {
    const gpu = new OneGpu();
    gpu.at(minute(0), { gpu_temp: 50 });
    expect(gpu.features().xid_hardware_count).toBe(0);
    gpu.at(minute(5) + 1, { xid: 79 });
    gpu.at(hour(2), { xid: 79 });
    gpu.at(hour(3), { xid: 0 });
    gpu.at(hour(4), { xid: 79 });
    gpu.at(hour(5), { xid: 63 });
    gpu.at(hour(6), { xid: 13 });
    gpu.at(hour(7), { xid: 45 });
    const features = gpu.features(hour(8));
    expect(features).toMatchObject({ xid_hardware_count: 2, xid_precursor_count: 1, xid_application_count: 1 });
    expect(features.hours_since_hardware_xid).toBe(4);
    expect(gpu.features(hour(300)).hours_since_hardware_xid).toBe(296);
    expect(gpu.features(hour(300)).xid_hardware_count).toBeNaN();
    const old = new OneGpu();
    old.at(minute(1), { gpu_temp: 50, xid: 79 });
    expect(old.features()).toMatchObject({ xid_hardware_count: 0, hours_since_hardware_xid: NaN });
  });

  it('keeps totals of remapped rows by their newest value, zeros after a positive one passed over', () => {
    const gpu = new OneGpu();
    gpu.at(hour(0), { remap_uncorrectable: 0, remap_correctable: 300, remap_failure: 1 });
    gpu.at(hour(1), { remap_uncorrectable: 2, remap_correctable: 0, remap_failure: 0 });
    expect(gpu.features()).toMatchObject({
      remap_uncorrectable_total: 2,
      remap_uncorrectable_count: 2,
      remap_correctable_total: 300,
      remap_correctable_count: 0,
      remap_failure: 1,
    });
    const later = gpu.features(hour(168));
    expect([later.remap_correctable_total, later.remap_correctable_count, later.remap_failure]).toEqual([NaN, 0, 0]);
  });

  it('adds up NVLink links and leaves their total out', () => {
    const gpu = new OneGpu();
    gpu.at(minute(0), { nvlink_crc_flit_total: 0, nvlink_replay_total: 0 });
    gpu.at(minute(1), { nvlink_crc_flit_total: 4, nvlink_replay_total: 1 });
    expect(gpu.features().nvlink_error_count).toBe(5);
    const links = { nvlink_crc_flit_l0: 10, nvlink_crc_flit_l17: 20 };
    gpu.at(minute(2), { nvlink_crc_flit_total: 9, nvlink_replay_total: 3, ...links });
    gpu.at(minute(3), { nvlink_crc_flit_total: 19, nvlink_crc_flit_l0: 13, nvlink_crc_flit_l17: 5 });
    expect(gpu.features().nvlink_error_count).toBe(5 + 2 + 3 + 5);
    // Totals alone say nothing more, once links were heard; of the other counters they do.
    gpu.at(hour(200), { nvlink_crc_flit_total: 30 });
    expect(gpu.features().nvlink_error_count).toBeNaN();
    gpu.at(hour(201), { nvlink_replay_total: 8 });
    expect(gpu.features().nvlink_error_count).toBe(5);
  });

  it('counts large increments exactly', () => {
    const gpu = new OneGpu();
    gpu.at(hour(0), { pcie_replay: 0, remap_correctable: 1, ecc_sbe_vol: 0 });
    gpu.at(hour(0) + 1, { pcie_replay: 65_535, remap_correctable: 257, ecc_sbe_vol: 2147483631 });
    gpu.at(hour(1), { pcie_replay: 65_536, remap_correctable: 512, ecc_sbe_vol: 2147483630 });
    gpu.at(hour(2), { pcie_replay: 65_536 });
    expect(gpu.features()).toMatchObject({
      pcie_replay_count: 65_536,
      remap_correctable_count: 511,
      ecc_sbe_event_count: 2147483631 + 2147483630,
    });
  });

  it('compares clocks only of readings under load', () => {
    const gpu = new OneGpu();
    gpu.at(hour(0), { sm_clock: 1900, sm_active: 50 });
    gpu.at(hour(0) + 1, { sm_clock: 200, sm_active: 49.9 });
    gpu.at(hour(24), { sm_clock: 1700, sm_active: 90 });
    gpu.at(hour(24) + 1, { sm_clock: 300 });
    expect(gpu.features().sm_clock_under_load_24h_delta).toBe(1700 - 1800);
    expect(gpu.features().sm_clock_mean).toBe((1900 + 200 + 1700 + 300) / 4);
  });

  it('counts gaps between sorted event times: a reading of another metric may close one afterwards', () => {
    const gpu = new OneGpu();
    gpu.at(minute(0), { gpu_temp: 50 });
    gpu.at(minute(9), { gpu_temp: 50 });
    gpu.at(minute(24), { gpu_temp: 50 });
    expect([gpu.features().gap_count, gpu.features().longest_gap_hours]).toEqual([2, 15 / 60]);
    gpu.at(minute(5), { power_usage: 100 });
    expect([gpu.features().gap_count, gpu.features().longest_gap_hours]).toEqual([1, 15 / 60]);
    gpu.at(minute(12), { power_usage: 100 });
    expect([gpu.features().gap_count, gpu.features().longest_gap_hours]).toEqual([1, 12 / 60]);
    gpu.at(hour(4), { gpu_temp: 50 });
    const features = gpu.features(hour(5) + MINUTE_MS);
    expect(features).toMatchObject({ gap_count: 2, longest_gap_hours: 3.6, silent_minutes: 61 });
    expect([features.hours_with_readings, features.reporting_ratio]).toEqual([2, 2 / 6]);
  });
});
