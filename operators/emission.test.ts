import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DUE_DECISION,
  DUE_FEATURES,
  DUE_HEALTH,
  DUE_HEARTBEAT,
  DUE_SCORE,
  DueTimes,
  dueBits,
  heartbeatOffsetMs,
  passes,
} from './due.js';
import { Emission } from './emission.js';

const schedule = { scoreEveryMs: 10_000, featuresEveryMs: 900_000, heartbeatMs: 3_600_000, healthEveryMs: 900_000 };

describe('due points', () => {
  it('are the same however event time is cut into samples', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5_000_000 }), { minLength: 1 }),
        fc.integer({ min: 1, max: 1_000_000 }),
        (steps, every) => {
          const times = [...new Set(steps)].sort((a, b) => a - b);
          let passed = 0;
          for (let i = 1; i < times.length; i++) if (passes(times[i - 1], times[i], every)) passed++;
          expect(passed).toBe(new Set(times.map((time) => Math.floor(time / every))).size - 1);
        },
      ),
    );
  });

  it('follow event time: a decision at midnight UTC, features and health each quarter of an hour, a score each 10 s', () => {
    const midnight = Date.UTC(2026, 0, 2);
    expect(dueBits(midnight - 1, midnight, schedule, 1)).toBe(DUE_SCORE | DUE_FEATURES | DUE_HEALTH | DUE_DECISION);
    expect(dueBits(midnight, midnight + 9_999, schedule, 20_000)).toBe(0);
    expect(dueBits(midnight, midnight + 10_000, schedule, 20_000)).toBe(DUE_SCORE);
    expect(dueBits(midnight, midnight + 30_000, schedule, 20_000)).toBe(DUE_SCORE | DUE_HEARTBEAT);
  });

  it('include everything at the first reading of a GPU', () => {
    expect(dueBits(NaN, 12_345, schedule, 0)).toBe(
      DUE_SCORE | DUE_FEATURES | DUE_HEALTH | DUE_DECISION | DUE_HEARTBEAT,
    );
  });

  it('are kept per GPU without asking all periods at each sample', () => {
    const periods = { scoreEveryMs: 10_000, featuresEveryMs: 60_000, heartbeatMs: 90_000, healthEveryMs: 45_000 };
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2), fc.oneof(fc.constant(10_000), fc.integer({ min: 1, max: 200_000 }))), {
          maxLength: 100,
        }),
        fc.integer({ min: -1_000_000, max: 2 ** 41 }),
        (steps, startMs) => {
          const times = new DueTimes(periods);
          const newest = new Float64Array(3).fill(NaN);
          for (const gpu of [0, 1, 2]) times.init(gpu, `GPU-${gpu}`);
          for (const [gpu, step] of steps) {
            const now = (Number.isNaN(newest[gpu]) ? startMs : newest[gpu]) + step;
            const offset = heartbeatOffsetMs(`GPU-${gpu}`, periods.heartbeatMs);
            expect(times.take(gpu, newest, gpu, Float64Array.of(now), 0)).toBe(
              dueBits(newest[gpu], now, periods, offset),
            );
            newest[gpu] = now;
          }
        },
      ),
    );
  });

  it('spread the heartbeats of a fleet over the hour', () => {
    const offsets = Array.from({ length: 600 }, (_, gpu) => heartbeatOffsetMs(`GPU-${gpu}`, 3_600_000));
    const minutes = new Set(offsets.map((offset) => Math.floor(offset / 60_000)));
    expect(minutes.size).toBeGreaterThan(55);
  });
});

describe('emission', () => {
  const steady = [0.01, 0.02, 0.05, 0, 3] as const;

  it('emits the first prediction as a change and then only what moved or a heartbeat', () => {
    const emission = new Emission(0.1);
    expect(emission.prediction(5, DUE_SCORE, ...steady)).toBe('change');
    expect(emission.prediction(5, DUE_SCORE, ...steady)).toBeNull();
    expect(emission.prediction(5, DUE_SCORE | DUE_HEARTBEAT, ...steady)).toBe('heartbeat');
    expect(emission.prediction(5, DUE_SCORE, 0.01, 0.02, 0.06, 0, 3)).toBe('change');
    expect(emission.prediction(5, DUE_SCORE, 0.01, 0.02, 0.06, 1, 3)).toBe('change');
    expect(emission.prediction(5, DUE_SCORE, 0.01, 0.02, 0.06, 1, 2)).toBe('change');
  });

  it('compares with what was last emitted, so that a slow drift is not lost', () => {
    const emission = new Emission(0.1);
    let emitted = 0;
    for (let step = 0; step <= 100; step++) {
      const probability = 1 / (1 + Math.exp(5 - step * 0.01));
      if (emission.prediction(0, DUE_SCORE, probability, probability, probability, 0, 3) !== null) emitted++;
    }
    expect(emitted).toBeGreaterThanOrEqual(10);
    expect(emitted).toBeLessThanOrEqual(11);
  });

  it('keeps GPUs apart, also when slots are added', () => {
    const emission = new Emission(0.1);
    emission.prediction(0, DUE_SCORE, ...steady);
    expect(emission.prediction(1000, DUE_SCORE, ...steady)).toBe('change');
    expect(emission.prediction(0, DUE_SCORE, ...steady)).toBeNull();
  });

  it('emits health on a change of grade, the loss of it included, else at its interval', () => {
    const emission = new Emission(0.1);
    expect(emission.health(0, 0, 'good')).toBe('change');
    expect(emission.grade(0)).toBe('good');
    expect(emission.health(0, 0, 'good')).toBeNull();
    expect(emission.health(0, DUE_HEALTH, 'good')).toBe('interval');
    expect(emission.health(0, 0, null)).toBe('change');
    expect(emission.grade(0)).toBeNull();
    expect(emission.health(0, 0, null)).toBeNull();
  });

  it('decides on a change of grade and at midnight', () => {
    const emission = new Emission(0.1);
    expect(emission.decision(0, 0, 'good')).toBe('change');
    expect(emission.decision(0, DUE_HEALTH, 'good')).toBeNull();
    expect(emission.decision(0, DUE_DECISION, 'good')).toBe('schedule');
    expect(emission.decision(0, DUE_DECISION, 'fair')).toBe('change');
  });

  it('speaks at every due point where it is told to, and says when nothing else was the reason', () => {
    const emission = new Emission(0.1, true);
    expect(emission.prediction(0, DUE_SCORE, 0.01, 0.02, 0.03, 1, 3)).toBe('change');
    expect(emission.prediction(0, DUE_SCORE, 0.01, 0.02, 0.03, 1, 3)).toBe('interval');
    expect(emission.prediction(0, DUE_HEARTBEAT, 0.01, 0.02, 0.03, 1, 3)).toBe('heartbeat');
  });

  it('knows nothing of a slot that was forgotten', () => {
    const emission = new Emission(0.1);
    emission.prediction(5, DUE_SCORE, ...steady);
    emission.health(5, 0, 'good');
    emission.decision(5, 0, 'good');
    emission.forget(5);
    emission.forget(1_000_000);
    expect(emission.prediction(5, DUE_SCORE, ...steady)).toBe('change');
    expect(emission.grade(5)).toBeNull();
    expect(emission.health(5, 0, 'good')).toBe('change');
    expect(emission.decision(5, 0, 'good')).toBe('change');
  });
});
