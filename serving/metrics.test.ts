import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ManualClock, MINUTE_MS } from '../schema/clock.js';
import { packageRoot } from '../schema/package-root.js';
import type { Instruments } from '../topology/instruments.js';
import { fleetOf, NOW_MS } from '../test/fixtures/fleet-records.js';
import { METRICS } from './metric-definitions.js';
import { EngineMetrics } from './metrics.js';

const metricsAt = (clock: ManualClock): EngineMetrics => new EngineMetrics({ version: '1.2.3', commit: 'abc' }, clock);

async function sample(metrics: EngineMetrics, series: string): Promise<number | undefined> {
  const line = (await metrics.expose()).split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

describe('EngineMetrics', () => {
  it('is what the roles call their instruments', async () => {
    const metrics = metricsAt(new ManualClock(NOW_MS));
    const instruments: Instruments = metrics;
    instruments.ingested('raw', 10, 8, NOW_MS - 1_500);
    instruments.readingsRejected('sentinel', 3);
    instruments.deadLettered('malformed', 2);
    instruments.recordsWritten('features', 5);
    instruments.undecided({ no_health: 0, no_price: 4 });
    instruments.lag('score', 17);
    instruments.buffered('score', 3_000, 64_000);
    instruments.buffered('score', 1_000, 64_000);
    metrics.loaded(new Map([['gpu_features', 40]]), 0.02);
    expect(await sample(metrics, 'gpu_actuary_ingest_messages_total{source="raw"}')).toBe(10);
    expect(await sample(metrics, 'gpu_actuary_ingest_samples_total{source="raw"}')).toBe(8);
    expect(await sample(metrics, 'gpu_actuary_readings_rejected_total{reason="sentinel"}')).toBe(3);
    expect(await sample(metrics, 'gpu_actuary_dead_letters_total{code="malformed"}')).toBe(2);
    expect(await sample(metrics, 'gpu_actuary_records_written_total{topic="features"}')).toBe(5);
    expect(await sample(metrics, 'gpu_actuary_score_undecided_total{code="no_price"}')).toBe(4);
    expect(await sample(metrics, 'gpu_actuary_score_undecided_total{code="no_health"}')).toBeUndefined();
    expect(await sample(metrics, 'gpu_actuary_lag_records{role="score"}')).toBe(17);
    expect(await sample(metrics, 'gpu_actuary_ingest_lateness_seconds{source="raw"}')).toBe(1.5);
    expect(await sample(metrics, 'gpu_actuary_buffered_bytes{role="score"}')).toBe(3_000);
    expect(await sample(metrics, 'gpu_actuary_buffer_limit_bytes{role="score"}')).toBe(64_000);
    expect(await sample(metrics, 'gpu_actuary_load_rows_total{table="gpu_features"}')).toBe(40);
    expect(await sample(metrics, 'gpu_actuary_load_commits_total')).toBe(1);
  });

  it('shows the longest latency for at least a minute and at most two', async () => {
    const clock = new ManualClock(NOW_MS);
    const metrics = metricsAt(clock);
    const unit = {
      samples: 1,
      rows: 1,
      skippedDuePoints: 0,
      longestWaitSeconds: 0,
      modelSeconds: 0.01,
      unitSeconds: 0.02,
      newestMs: NOW_MS - 20_000,
    };
    metrics.scored({ ...unit, latencySeconds: 3 });
    metrics.scored({ ...unit, latencySeconds: NaN });
    expect(await sample(metrics, 'gpu_actuary_score_lateness_seconds')).toBe(20);
    clock.advance(1.5 * MINUTE_MS);
    metrics.scored({ ...unit, latencySeconds: 0.5 });
    expect(await sample(metrics, 'gpu_actuary_score_latency_max_seconds')).toBe(3);
    clock.advance(MINUTE_MS);
    expect(await sample(metrics, 'gpu_actuary_score_latency_max_seconds')).toBe(0.5);
    expect(await sample(metrics, 'gpu_actuary_score_latency_seconds_count')).toBe(2);
  });

  it('shows the figures of the fleet only where there is a view of it', async () => {
    const clock = new ManualClock(NOW_MS);
    const without = metricsAt(clock);
    expect(await without.expose()).not.toContain('gpu_actuary_fleet');
    const metrics = metricsAt(clock);
    metrics.watchFleet(fleetOf(60, clock));
    const totals = fleetOf(60, clock).totals();
    expect(await sample(metrics, 'gpu_actuary_fleet_gpus{grade="excellent"}')).toBe(totals.by_grade.excellent);
    expect(await sample(metrics, 'gpu_actuary_fleet_gpus_by_decision{decision="none"}')).toBe(12);
    expect(await sample(metrics, 'gpu_actuary_fleet_gpus_at_risk{bound="0.05"}')).toBe(totals.at_least['0.05']);
    expect(await sample(metrics, 'gpu_actuary_fleet_expected_value_dollars')).toBeCloseTo(totals.expected_value, 3);
  });
});

describe('metric names', () => {
  const definitions = Object.values(METRICS);

  it('follow the rules: counters end in _total, nothing else does, and units are base units', () => {
    for (const { name, type } of definitions) {
      expect(name).toMatch(/^gpu_actuary_[a-z0-9_]+$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(name).not.toMatch(/_(ms|millis|milliseconds|minutes|hours|kb|mb)(_|$)/);
    }
    expect(new Set(definitions.map(({ name }) => name)).size).toBe(definitions.length);
  });

  it('bear no label that grows with the fleet', () => {
    for (const { labels } of definitions)
      for (const label of labels) expect(label).not.toMatch(/gpu|uuid|host|instance|pod/);
  });

  it.each(['prometheus/alerts.yml', 'grafana/gpu-actuary.json'])('are those that deploy/%s asks for', (file) => {
    const text = readFileSync(join(packageRoot(), 'deploy', file), 'utf8');
    const known = new Set<string>(
      definitions.flatMap(({ name, type }) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
    const asked = new Set(text.match(/gpu_actuary_[a-z0-9_]+/g));
    expect(asked.size).toBeGreaterThan(5);
    expect([...asked].filter((name) => !known.has(name))).toEqual([]);
  });
});
