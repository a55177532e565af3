import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ManualClock } from '../../schema/clock.js';
import { packageRoot } from '../../schema/package-root.js';
import { EngineMetrics } from '../../serving/metrics.js';
import { describeWith } from '../../test/support/requirements.js';

const here = join(packageRoot(), 'deploy', 'prometheus');

function promtool(args: readonly string[], input?: string): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: here, input, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

await describeWith('promtool', 'Prometheus', () => {
  it('accepts the alert rules, which fire when they should and only then', () => {
    expect(promtool(['check', 'rules', 'alerts.yml'])).toMatchObject({ status: 0 });
    const tested = promtool(['test', 'rules', 'alerts.test.yml']);
    expect(tested.status, tested.output).toBe(0);
  });

  it('accepts the example configuration', () => {
    const checked = promtool(['check', 'config', 'prometheus.yml']);
    expect(checked.status, checked.output).toBe(0);
  });

  it('finds nothing to complain of in /metrics', async () => {
    const metrics = new EngineMetrics({ version: '1.2.3', commit: 'abc' }, new ManualClock(1_764_000_000_000));
    metrics.ingested('raw', 10, 8, 1_764_000_000_000);
    metrics.readingsRejected('sentinel', 3);
    metrics.deadLettered('malformed', 2);
    metrics.recordsWritten('features', 5);
    metrics.undecided({ no_health: 1, no_price: 4 });
    metrics.lag('score', 17);
    metrics.buffered('score', 3_000, 64_000);
    metrics.loaded(new Map([['gpu_features', 40]]), 0.02);
    const checked = promtool(['check', 'metrics'], await metrics.expose());
    expect(checked.output).toBe('');
    expect(checked.status).toBe(0);
  });
});
