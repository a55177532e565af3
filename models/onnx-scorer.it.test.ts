import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';

it('keeps the runtime from reporting its use: it leaves no file at home or in the temporary directory', async () => {
  const home = await mkdtemp(join(tmpdir(), 'gpu-actuary-home-'));
  try {
    const script = `const { OnnxScorer } = await import('./models/onnx-scorer.ts');
      await (await OnnxScorer.load('models/champion')).close();`;
    // A process of its own, for the runtime looks at the environment once.
    await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      cwd: packageRoot(),
      env: { PATH: process.env.PATH, HOME: home, XDG_CACHE_HOME: join(home, '.cache'), TMPDIR: home },
    });
    const left = await readdir(home, { recursive: true });
    expect(left.filter((name) => /onnxruntime|mat-debug|\.ses$/i.test(name))).toEqual([]);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
