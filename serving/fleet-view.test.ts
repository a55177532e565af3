import { describe, expect, it } from 'vitest';
import { HOUR_MS, ManualClock } from '../schema/clock.js';
import { decision, features, fleetOf, health, NOW_MS, prediction } from '../test/fixtures/fleet-records.js';
import { FleetView } from './fleet-view.js';
import { summaryOf } from './gpu-state.js';
import { HourlyHistory } from './hourly-history.js';

const emptyView = (): FleetView => new FleetView(new ManualClock(NOW_MS));

describe('FleetView', () => {
  it('keeps the newest as_of of each kind, in whatever order records come', () => {
    const view = emptyView();
    expect(view.apply('predictions', prediction('a', { failure_prob_30d: 0.2 }, NOW_MS))).toBe(true);
    expect(view.apply('predictions', prediction('a', { failure_prob_30d: 0.9 }, NOW_MS - 1))).toBe(false);
    expect(view.get('a')?.predictions?.failure_prob_30d).toBe(0.2);
    // Another kind has a time of its own.
    expect(view.apply('health', health('a', {}, NOW_MS - 5))).toBe(true);
  });

  it('takes the model of the register, else of telemetry, else of the features', () => {
    const view = emptyView();
    view.apply('features', features('a'));
    expect(summaryOf(view.get('a')!).model).toBe('H100');
    view.observe('a', { model: 'NVIDIA H100 80GB HBM3', host: 'n1' });
    expect(summaryOf(view.get('a')!)).toMatchObject({ model: 'NVIDIA H100 80GB HBM3', host: 'n1' });
    view.observe('a', { host: null });
    expect(summaryOf(view.get('a')!).host).toBe('n1');
    view.apply('assets', { gpu_uuid: 'a', model: 'H100 SXM' });
    expect(summaryOf(view.get('a')!).model).toBe('H100 SXM');
    view.forget('assets', 'a');
    expect(summaryOf(view.get('a')!).model).toBe('NVIDIA H100 80GB HBM3');
  });

  it('knows no GPU any more of which every record was deleted', () => {
    const view = emptyView();
    view.apply('health', health('a'));
    view.apply('assets', { gpu_uuid: 'a' });
    view.forget('health', 'a');
    expect(view.get('a')).toBeDefined();
    view.forget('assets', 'a');
    expect(view.get('a')).toBeUndefined();
    expect(view.page('risk', 'desc', null, 10).states).toEqual([]);
  });

  it('tells watchers of each change, and of no record that is older', () => {
    const view = emptyView();
    const told: string[] = [];
    const stop = view.watch((gpuUuid) => told.push(gpuUuid));
    view.apply('health', health('a', {}, NOW_MS));
    view.apply('health', health('a', {}, NOW_MS - 1));
    view.observe('b', { host: 'n1' });
    view.observe('b', { host: 'n1' });
    stop();
    view.apply('health', health('c'));
    expect(told).toEqual(['a', 'b']);
  });

  it('sums the fleet up', () => {
    const view = emptyView();
    view.apply('predictions', prediction('a', { failure_prob_7d: 0.1, failure_prob_30d: 0.3, failure_prob_90d: 0.6 }));
    view.apply(
      'predictions',
      prediction('b', { failure_prob_7d: 0.01, failure_prob_30d: 0.05, failure_prob_90d: 0.1 }),
    );
    view.apply('health', health('a', { grade: 'poor' }));
    view.apply('decisions', decision('a', { expected_value: 2000 }));
    view.apply('assets', { gpu_uuid: 'c' });
    const totals = view.totals();
    expect(totals).toMatchObject({ gpus: 3, predicted: 2, expected_value: 2000 });
    expect(totals.by_grade).toMatchObject({ poor: 1, none: 2, excellent: 0 });
    expect(totals.by_decision).toMatchObject({ sell: 1, none: 2 });
    expect(totals.expected_failures['30d']).toBeCloseTo(0.35, 12);
    expect(totals.at_least).toEqual({ '0.02': 2, '0.05': 2, '0.1': 1, '0.25': 1, '0.5': 0 });
  });

  it('sorts a large changing fleet at most once a second, and a small one for each request', () => {
    const clock = new ManualClock(NOW_MS);
    const large = new FleetView(clock);
    for (let index = 0; index <= 5_000; index++) large.apply('assets', { gpu_uuid: `GPU-${index}` });
    const first = (): string => large.page('risk', 'desc', null, 1).states[0].gpuUuid;
    expect(first()).toBe('GPU-0');
    large.apply('predictions', prediction('GPU-7'));
    expect(first()).toBe('GPU-0');
    clock.advance(1_000);
    expect(first()).toBe('GPU-7');

    const small = fleetOf(10, clock);
    expect(small.page('risk', 'desc', null, 1).states).toHaveLength(1);
    small.apply('predictions', prediction('new', { failure_prob_30d: 0.99 }));
    expect(small.page('risk', 'desc', null, 1).states[0].gpuUuid).toBe('new');
  });
});

describe('HourlyHistory', () => {
  const hour = (index: number): number => 1_000_000 * HOUR_MS + index * HOUR_MS;

  it('leaves a hole where an hour brought no pane', () => {
    const history = new HourlyHistory();
    history.set(hour(0), 50, 300);
    history.set(hour(2), 52, NaN);
    expect(history.newest(168)).toEqual([
      { hourStartMs: hour(0), gpuTemp: 50, powerUsage: 300 },
      { hourStartMs: hour(1), gpuTemp: null, powerUsage: null },
      { hourStartMs: hour(2), gpuTemp: 52, powerUsage: null },
    ]);
    expect(history.newest(1).map(({ gpuTemp }) => gpuTemp)).toEqual([52]);
  });

  it('forgets what is 168 hours old, also across a long silence', () => {
    const history = new HourlyHistory();
    for (let index = 0; index < 200; index++) history.set(hour(index), index, index);
    expect(history.newest(500)).toHaveLength(168);
    expect(history.newest(500)[0]).toMatchObject({ hourStartMs: hour(32), gpuTemp: 32 });
    history.set(hour(10), 1, 1);
    expect(history.newest(500)[0].hourStartMs).toBe(hour(32));
    history.set(hour(10_000), 70, 500);
    expect(history.newest(500)).toEqual([{ hourStartMs: hour(10_000), gpuTemp: 70, powerUsage: 500 }]);
  });

  it('takes an hour that comes late within the ring', () => {
    const history = new HourlyHistory();
    history.set(hour(5), 55, 5);
    history.set(hour(3), 53, 3);
    expect(history.newest(168).map(({ gpuTemp }) => gpuTemp)).toEqual([53, null, 55]);
  });
});
