import { expect, it } from 'vitest';
import { FAILURE_TYPES } from '../../schema/records.js';
import { Fleet } from '../../simulator/fleet.js';
import { DEMO_FLEET } from './demo-fleet.js';

it('the fleet of the demo has GPUs whose defects show and are still to kill, and is a chosen one in that', () => {
  /** GPUs that a reader of the telemetry may see to be ill. */
  const ill = (seed: number): number => {
    const { gpus, historyDays } = DEMO_FLEET;
    const startMs = Date.UTC(2026, 5, 1);
    const fleet = new Fleet({ gpus, seed, startMs, days: historyDays, cadenceMs: 120_000 });
    return fleet.gpus.filter(
      ({ life }) =>
        life.endDay > historyDays + 1 && FAILURE_TYPES.some((_, kind) => life.severity(kind, historyDays) > 0.5),
    ).length;
  };
  expect(ill(DEMO_FLEET.seed)).toBeGreaterThanOrEqual(4);
  const others = Array.from({ length: 20 }, (_, seed) => ill(seed + 1));
  expect(Math.max(...others)).toBeLessThan(4);
});
