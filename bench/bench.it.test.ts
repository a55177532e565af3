import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';
import { describeWith } from '../test/support/requirements.js';
import { run, start } from './support/processes.js';

const MAIN = join(packageRoot(), 'dist', 'bench', 'main.js');
const REQUIRED = ['samplesPerSecond', 'bareSamplesPerSecond', 'ratio', 'cpuMicrosPerSample', 'rssMb'];

/** A process that has ended stays in the table, as a zombie, until its new parent has looked. */
function runs(pid: string): boolean {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && !/\) [ZX] /.test(readFileSync(file, 'latin1'));
}

/** The benchmarks start engines of the command line; on the in-process cluster they need nothing that is not there. */
await describeWith('procfs', 'benchmarks', () => {
  let temporary: string;
  beforeEach(() => (temporary = mkdtempSync(join(tmpdir(), 'bench-test-'))));
  afterEach(() => rmSync(temporary, { recursive: true }));
  const environment = () => ({ ...process.env, TMPDIR: temporary });

  it('answers with one JSON object on the last line, and keeps it where it is told to', async () => {
    const record = join(temporary, 'results');
    const output = await run(
      process.execPath,
      [MAIN, 'engine', '--embedded', '--repeats', '1', '--samples', '20000', '--json', '--record', record],
      { env: environment() },
    );
    const result = JSON.parse(output.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
    for (const name of REQUIRED) expect(result[name], name).toBeGreaterThan(0);
    expect(result).toMatchObject({ bench: 'engine', void: null, deadLetters: 0, featureRecordsOwed: 3_500 });
    expect(result.recordsWritten).toMatchObject({ features: 3_500 });
    expect(result.versions).toMatchObject({ node: process.versions.node, broker: 'in-process' });
    expect(existsSync(join(record, 'engine-wide-json-flat.json'))).toBe(true);
  });

  it.each(['windows', 'memory'])('%s: says as much as the others, without a broker', async (bench) => {
    const args = [bench, '--gpus', '100', ...(bench === 'windows' ? ['--samples', '1000'] : []), '--json'];
    const output = await run(process.execPath, [MAIN, ...args], { env: environment() });
    const result = JSON.parse(output.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
    for (const name of REQUIRED) expect(result[name], name).toBeGreaterThan(0);
  });

  it('leaves no process and no file behind when it is interrupted', async () => {
    const bench = start(process.execPath, [MAIN, 'ingest', '--embedded', '--repeats', '50'], { env: environment() });
    // Its engine keeps its configuration there while it runs.
    while (!readdirSync(temporary).some((name) => name.startsWith('gpu-actuary-bench-'))) await delay(50);
    const engines = await run('pgrep', ['-P', String(bench.child.pid)]);
    process.kill(bench.child.pid!, 'SIGINT');
    await bench.stop(10_000);
    expect(bench.child.exitCode).toBe(130);
    expect(readdirSync(temporary)).toEqual([]);
    for (const pid of engines.trim().split('\n')) expect(runs(pid), `process ${pid} is left`).toBe(false);
  });
});
