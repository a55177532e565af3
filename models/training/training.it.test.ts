import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FEATURE_COUNT } from '../../schema/features.js';
import { packageRoot } from '../../schema/package-root.js';
import { OnnxScorer } from '../onnx-scorer.js';
import { verifySealed } from '../store.js';

const run = promisify(execFile);
const training = join(packageRoot(), 'models', 'training');

/** Python 3.11 or newer with venv, by the name that starts it; null where there is none. */
function findPython(): string | null {
  for (const name of [process.env['PYTHON'] ?? 'python3', 'python3.13', 'python3.12', 'python3.11'])
    try {
      execFileSync(name, ['-c', 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'], {
        stdio: 'ignore',
      });
      return name;
    } catch {
      continue; // not there, or too old: the next name
    }
  return null;
}

/** Holds the engine's scorer to what Python computed of the rows of a model's golden.json. */
async function expectGolden(model: string): Promise<void> {
  const { features, failure_prob } = JSON.parse(readFileSync(join(model, 'golden.json'), 'utf8')) as {
    features: (number | null)[][];
    failure_prob: number[][];
  };
  const { prob90d } = await scored(model, features);
  failure_prob.forEach((expected, row) => expect(Math.abs(prob90d[row] - expected[2])).toBeLessThan(1e-6));
}

/** What the engine says of rows by a model. @param features in the engine's order, null for absent */
async function scored(model: string, features: readonly (readonly (number | null)[])[]) {
  const scorer = await OnnxScorer.load(model);
  const count = features.length;
  const values = new Float64Array(count * FEATURE_COUNT).fill(NaN);
  features.forEach((row, index) =>
    row.forEach((value, column) => (values[index * FEATURE_COUNT + column] = value ?? NaN)),
  );
  const times = new Float64Array(count);
  const said = await scorer.score({ count, slot: new Int32Array(count), asOfMs: times, newestMs: times, values });
  await scorer.close();
  return said;
}

const HISTORY_START = Date.UTC(2026, 0, 5);
const HISTORY_MS = 2 * 86_400_000;
const SICK = 30;

/** Two days of 150 GPUs, one reading in 15 min: the memory of the first ones is hot and half of those fail. */
function writeHistory(directory: string): { input: string; assets: string; labels: string } {
  const [telemetry, assets, labels]: string[][] = [[], [], []];
  for (let gpu = 0; gpu < 150; gpu++) {
    const gpu_uuid = `GPU-${String(gpu).padStart(8, '0')}-0000-4000-8000-000000000000`;
    assets.push(JSON.stringify({ gpu_uuid, model: 'NVIDIA H100 80GB HBM3', deployment_date: '2025-01-01' }));
    const fails = gpu < SICK && gpu % 2 === 0;
    labels.push(
      JSON.stringify({
        gpu_uuid,
        as_of: new Date(HISTORY_START + HISTORY_MS).toISOString(),
        days_to_failure: fails ? 5 + gpu : null,
        type: fails ? 'memory' : null,
        weight: gpu < SICK ? 1 : 20,
      }),
    );
  }
  for (let ms = HISTORY_START; ms < HISTORY_START + HISTORY_MS; ms += 900_000)
    for (let gpu = 0; gpu < 150; gpu++) {
      const wave = Math.sin(ms / 7e6 + gpu);
      telemetry.push(
        JSON.stringify({
          timestamp: ms + gpu * 1_000,
          gpu_uuid: `GPU-${String(gpu).padStart(8, '0')}-0000-4000-8000-000000000000`,
          gpu_temp: Math.round(60 + 5 * wave),
          memory_temp: Math.round((gpu < SICK ? 92 : 70) + 5 * wave),
          power_usage: 400 + 60 * wave,
          gpu_utilization: Math.round(80 + 10 * wave),
          ecc_dbe: 0,
          xid: 0,
        }),
      );
    }
  const write = (name: string, lines: readonly string[]): string => {
    writeFileSync(join(directory, name), lines.join('\n') + '\n');
    return join(directory, name);
  };
  return {
    input: write('telemetry.jsonl', telemetry),
    assets: write('assets.jsonl', assets),
    labels: write('labels.jsonl', labels),
  };
}

const python = findPython();
if (python === null && process.env['CI'] === 'true') throw new Error('training tests need Python 3.11 with venv');

describe.skipIf(python === null)('training (needs Python 3.11 with venv)', () => {
  let directory: string;
  let venv: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-training-'));
    await run(python ?? '', ['-m', 'venv', directory]);
    venv = join(directory, 'bin', 'python');
    await run(venv, [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '-r',
      join(training, 'requirements.txt'),
    ]);
  }, 300_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('passes its own tests with the pinned packages', async () => {
    const { stderr } = await run(venv, ['-B', '-m', 'unittest', 'discover', '-s', training, '-t', training]);
    expect(stderr).toMatch(/Ran \d\d tests in .*\n\nOK\n/);
  });

  it('makes a model from simulated worlds that the engine loads and computes alike, and its report', async () => {
    const out = join(directory, 'model');
    const data = join(directory, 'set');
    await run('node', [join(packageRoot(), 'dist', 'cli.cjs'), 'training-set', '--plan', 'quick', '--output', data]);
    const report = join(directory, 'report');
    const predictions = join(directory, 'predictions.npz');
    const paths = ['--data', data, '--out', out, '--report', report, '--predictions', predictions];
    await run(venv, ['-B', join(training, 'main.py'), ...paths]);
    // Whoever has the predictions can count the report's figures again.
    const { stdout } = await run(venv, ['-B', join(training, 'predictions.py'), predictions]);
    const figures = stdout.split('\n').filter((line) => line.startsWith('| observable oracle |'));
    expect(figures).toHaveLength(6);
    const text = readFileSync(join(report, 'champion.md'), 'utf8');
    for (const line of figures) expect(text).toContain(line);
    // Training seals what it writes.
    expect((await verifySealed(out)).manifest?.run_id).toBeNull();
    await expectGolden(out);
  });

  it.each(['the model just made', 'the champion'])("explains %s as XGBoost's pred_contribs do", async (which) => {
    const model = which === 'the champion' ? join(packageRoot(), 'models', 'champion') : join(directory, 'model');
    const file = join(directory, 'contributions.json');
    await run(venv, ['-B', join(training, 'contributions.py'), model, file]);
    const judge = JSON.parse(readFileSync(file, 'utf8')) as {
      features: (number | null)[][];
      heads: Record<string, { margin: number[]; pred_contribs: number[][] }>;
    };
    const scorer = await OnnxScorer.load(model);
    const values = new Float64Array(FEATURE_COUNT);
    judge.features.forEach((row, index) => {
      values.fill(NaN);
      row.forEach((value, column) => (values[column] = value ?? NaN));
      const heads = scorer.explainer!.contributions(values, 0);
      expect(heads.map(({ head }) => head).sort()).toEqual(Object.keys(judge.heads).sort());
      for (const { head, base, contributions } of heads) {
        const expected = judge.heads[head].pred_contribs[index];
        [...contributions, base].forEach((value, column) => {
          expect(Math.abs(value - expected[column])).toBeLessThan(1e-4);
        });
        const margin = contributions.reduce((sum, value) => sum + value, base);
        expect(Math.abs(margin - judge.heads[head].margin[index])).toBeLessThan(1e-4);
      }
    });
    await scorer.close();
  });

  it.each([
    ['on top of the champion', []],
    ['alone', ['--alone']],
  ])('learns from a history of your own, %s', async (_, how) => {
    const out = join(directory, `candidate${how.length}`);
    const { input, assets, labels } = writeHistory(directory);
    const files = ['--input', input, '--assets', assets, '--labels', labels];
    const kept = join(directory, 'candidate.npz');
    const paths = ['--out', out, '--predictions', kept];
    const { stdout } = await run(venv, ['-B', join(training, 'candidate.py'), ...files, ...paths, ...how]);
    expect(stdout).toContain(`report.md to ${out}`);
    const report = readFileSync(join(out, 'report.md'), 'utf8');
    expect(report).toContain('150 rows of 150 GPUs, 15 of which fail');
    expect(report).toMatch(/of the GPUs that judge \d fail within 30 days, 10 are needed/);
    const card = JSON.parse(readFileSync(join(out, 'card.json'), 'utf8')) as { operating_points: unknown };
    expect(card.operating_points).toMatchObject({ of: expect.stringContaining('Too few') as string, points: [] });
    const again = await run(venv, ['-B', join(training, 'predictions.py'), kept]);
    const figures = again.stdout.split('\n').filter((line) => line.startsWith('| candidate |'));
    expect(figures.length).toBeGreaterThan(0);
    for (const line of figures) expect(report).toContain(line);
    await expectGolden(out);
    expect((await verifySealed(out)).manifest?.run_id).toBeNull();
    // Half of the hot ones fail and hardly a twentieth of the fleet: what the engine says of them tells them apart.
    const predictions = join(directory, 'own-predictions.jsonl');
    const cli = join(packageRoot(), 'dist', 'cli.cjs');
    const asOf = new Date(HISTORY_START + HISTORY_MS).toISOString();
    await run('node', [
      cli,
      'replay',
      '--input',
      input,
      '--assets',
      assets,
      '--emit',
      'predictions',
      '--as-of',
      asOf,
      '--set',
      `model.directory=${out}`,
      '--set',
      'windows.gapMs=2250000',
      '--output',
      predictions,
    ]);
    const odds = readFileSync(predictions, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { gpu_uuid: string; failure_prob_90d: number });
    expect(odds).toHaveLength(150);
    const mean = (sick: boolean): number => {
      const chosen = odds.filter(({ gpu_uuid }) => Number(gpu_uuid.slice(4, 12)) < SICK === sick);
      return chosen.reduce((sum, { failure_prob_90d }) => sum + failure_prob_90d, 0) / chosen.length;
    };
    expect(mean(true)).toBeGreaterThan(5 * mean(false));
    expect(mean(true)).toBeGreaterThan(0.1);
    expect(mean(true)).toBeLessThan(0.6);
  });
});
