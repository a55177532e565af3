import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../schema/package-root.js';

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
});
