import { describe, expect, it } from 'vitest';
import type { AlertRecord, FeaturesRecord } from '../../schema/records.js';
import { besideNeighbours } from '../../schema/neighbours.js';
import { decision, features, health, prediction } from '../../test/fixtures/fleet-records.js';
import { isInMaintenance, parseMaintenance } from './maintenance.js';
import { AlertBook, judgeNeighbours, rulesOf } from './rules.js';

const CONFIG = {
  alerts: {
    ...{ role: 'serve', actionHours: 12, failureHours: 120, throttleHours: 8 },
    ...{ neighbourCelsius: 10, maintenanceFile: null },
  },
};
const rules = new Map(rulesOf(CONFIG).map((rule) => [rule.name, rule]));
/** Whether each record in turn fires (true), resolves (false), or changes nothing (null). */
const judged = (name: string, records: readonly object[]): (boolean | null)[] =>
  records.map((record) => rules.get(name)!.judge(record as never)?.fires ?? null);
const withFeatures = (values: Record<string, number | null>): FeaturesRecord => ({
  ...features('a'),
  features: values,
});

describe('alert rules', () => {
  it('weigh an action against a failure, and keep still between the bounds', () => {
    const at = (failure_prob_30d: number): object => prediction('a', { failure_prob_30d });
    expect(judged('risk_high', [0.099, 0.1, 0.09, 0.0801, 0.0799].map(at))).toEqual([null, true, null, null, false]);
    expect(rules.get('risk_high')!.judge(at(0.25) as never)!.detail).toBe('25.0 % within 30 days, memory most likely');
  });

  it('remember a hardware XID for a day', () => {
    const records = [
      { hours_since_hardware_xid: 0.1 },
      { hours_since_hardware_xid: 24 },
      { hours_since_hardware_xid: null },
    ];
    expect(
      judged(
        'hardware_xid',
        [...records, {}].map((values) => withFeatures(values)),
      ),
    ).toEqual([true, false, false, null]);
  });

  it('see a failed row remap, long throttling, a low grade and other advice than before', () => {
    expect(
      judged(
        'remap_failure',
        [1, 0, null].map((remap_failure) => withFeatures({ remap_failure })),
      ),
    ).toEqual([true, false, null]);
    expect(
      judged(
        'sustained_throttling',
        [8, 7, 6].map((throttle_duration_hours) => withFeatures({ throttle_duration_hours })),
      ),
    ).toEqual([true, null, false]);
    expect(
      judged('grade_drop', [
        health('a', { grade: 'degraded', score: 65 }),
        health('a', { grade: 'fair', score: 72 }),
        health('a', { grade: null, score: null }),
      ]),
    ).toEqual([true, false, null]);
    const advice = rules.get('decision_change')!;
    const [keep, sell] = [decision('a', { decision: 'keep' }), decision('a', { decision: 'sell' })];
    expect(advice.judge(sell)).toBeNull();
    expect(advice.judge(sell, keep)!.fires).toBe(true);
    expect(advice.judge(sell, keep)!.detail).toMatch(/^sell, before: keep\./);
    expect(advice.judge(sell, sell)!.fires).toBe(false);
  });

  it('compare a GPU with its neighbours where there are enough of them', () => {
    const temperature = (gpu_temp_mean: number): FeaturesRecord => withFeatures({ gpu_temp_mean });
    const beside = besideNeighbours(temperature(80), [60, 66, 70].map(temperature))!;
    expect(beside).toEqual({ celsius: 80, aboveCelsius: 14, others: 3 });
    expect(judgeNeighbours(beside, CONFIG)!.fires).toBe(true);
    expect(judgeNeighbours({ ...beside, aboveCelsius: 9 }, CONFIG)).toBeNull();
    expect(judgeNeighbours({ ...beside, aboveCelsius: 7 }, CONFIG)!.fires).toBe(false);
    expect(besideNeighbours(temperature(80), [temperature(60)])).toBeNull();
    expect(besideNeighbours(temperature(NaN), [60, 61].map(temperature))).toBeNull();
  });
});

describe('the book of alerts', () => {
  const alert = (state: AlertRecord['state'], as_of: number, more: Partial<AlertRecord> = {}): AlertRecord => ({
    ...{ alert: 'risk_high', subject: 'a', gpu_uuid: 'a', state, as_of, detail: 'why' },
    ...more,
  });

  it('says each change once, and nothing that is older than what was said', () => {
    const book = new AlertBook();
    expect(book.set(alert('resolved', 1))).toBeNull();
    expect(book.set(alert('firing', 2))).toMatchObject({ as_of: 2 });
    expect(book.set(alert('firing', 3))).toBeNull();
    expect(book.set(alert('resolved', 1))).toBeNull();
    expect(book.set(alert('resolved', 4))).toMatchObject({ state: 'resolved' });
    expect(book.firing()).toEqual([]);
    const decided = { alert: 'decision_change' };
    expect(book.set(alert('firing', 1, { ...decided, detail: 'sell, before: keep. a' }))).not.toBeNull();
    expect(book.set(alert('firing', 2, { ...decided, detail: 'sell, before: keep. b' }))).toBeNull();
    expect(book.set(alert('firing', 3, { ...decided, detail: 'keep, before: sell. c' }))).not.toBeNull();
    const refused = { alert: 'model_refused', subject: 'models/champion', gpu_uuid: null };
    expect(book.set(alert('firing', 1, { ...refused, detail: 'version 3' }))).not.toBeNull();
    expect(book.set(alert('firing', 2, { ...refused, detail: 'version 3' }))).toBeNull();
    expect(book.set(alert('firing', 3, { ...refused, detail: 'version 4' }))).not.toBeNull();
    expect(book.set(alert('resolved', 4, { ...refused, detail: 'model-1' }))).not.toBeNull();
    expect(book.set(alert('resolved', 5, { ...refused, detail: 'model-2' }))).toBeNull();
  });

  it('says what is so whatever its event time, each later than the one before', () => {
    const book = new AlertBook();
    expect(book.resolve('risk_high', 'a', 9, 'gone')).toBeNull();
    expect(book.fire(alert('firing', 5))).toEqual(alert('firing', 5));
    expect(book.fire(alert('firing', 9))).toBeNull();
    expect(book.resolve('risk_high', 'a', 3, 'gone')).toEqual(alert('resolved', 6, { detail: 'gone' }));
    expect(book.resolve('risk_high', 'a', 9, 'gone')).toBeNull();
    expect(book.fire(alert('firing', 4))).toEqual(alert('firing', 7));
  });

  it('goes on from what the topic says', () => {
    const book = new AlertBook();
    for (const record of [alert('firing', 5), alert('resolved', 9), alert('firing', 7)]) book.restore(record);
    expect(book.firing()).toEqual([]);
    expect(book.set(alert('firing', 8))).toBeNull();
    expect(book.set(alert('firing', 10))).not.toBeNull();
  });
});

describe('maintenance windows', () => {
  const line = (fields: object): string =>
    JSON.stringify({ from: '2026-06-01T00:00:00Z', until: '2026-06-01T02:00:00Z', ...fields });

  it('hold for the GPU, host or topic they name, from their start until before their end', () => {
    const windows = parseMaintenance(`${line({ host: 'h1' })}\n\n${line({ gpu_uuid: 'b' })}\n`, 'file');
    const start = Date.UTC(2026, 5, 1);
    const holds = (atMs: number, gpu: string, host: string | null): boolean =>
      isInMaintenance(windows, atMs, gpu, host, 't');
    expect(holds(start, 'a', 'h1')).toBe(true);
    expect(holds(start, 'a', 'h2')).toBe(false);
    expect(holds(start, 'b', null)).toBe(true);
    expect(holds(start + 7_200_000, 'b', null)).toBe(false);
    expect(isInMaintenance(parseMaintenance(line({ topic: 't' }), 'file'), start, 'a', null, 't')).toBe(true);
  });

  it.each([
    '{',
    '3',
    line({ from: 'soon' }),
    line({ until: '2026-05-31T00:00:00Z' }),
    line({ host: 3 }),
    line({ host: '' }),
    line({ gpu: 'a' }),
    '[]',
  ])('refuse %s', (text) => {
    expect(() => parseMaintenance(text, 'file')).toThrow(/file, line 1/);
  });
});
