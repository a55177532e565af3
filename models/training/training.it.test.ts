import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
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
    const scorer = await OnnxScorer.load(out);
    const { features, failure_prob } = JSON.parse(readFileSync(join(out, 'golden.json'), 'utf8')) as {
      features: (number | null)[][];
      failure_prob: number[][];
    };
    const count = features.length;
    const values = new Float64Array(count * FEATURE_COUNT).fill(NaN);
    features.forEach((row, index) =>
      row.forEach((value, column) => (values[index * FEATURE_COUNT + column] = value ?? NaN)),
    );
    const times = new Float64Array(count);
    const rows = { count, slot: new Int32Array(count), asOfMs: times, newestMs: times, values };
    const { prob90d } = await scorer.score(rows);
    failure_prob.forEach((expected, row) => expect(Math.abs(prob90d[row] - expected[2])).toBeLessThan(1e-6));
    await scorer.close();
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
});
