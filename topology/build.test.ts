import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';
import { buildInfo } from './build.js';

const directory = mkdtempSync(join(tmpdir(), 'build-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('what is running', () => {
  it('is of the commit that the build wrote down, if it did', () => {
    const file = join(directory, 'commit.txt');
    const commit = (): string | null => buildInfo(pathToFileURL(file)).commit;
    expect(commit()).toBeNull();
    writeFileSync(file, '');
    expect(commit()).toBeNull();
    writeFileSync(file, '0123abc-dirty\n');
    expect(commit()).toBe('0123abc-dirty');
  });

  const hasGit = spawnSync('git', ['--version']).status === 0;
  it.runIf(hasGit)('is built with the commit of its own repository, and without one where there is none', () => {
    const { scripts } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const run = (command: string): string =>
      execFileSync('sh', ['-c', `mkdir -p dist && ${command}`], { cwd: directory, encoding: 'utf8' });
    const written = (): string => readFileSync(join(directory, 'dist', 'commit.txt'), 'utf8');
    run(scripts['build:commit']);
    expect(written()).toBe('');
    run('git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a');
    run(scripts['build:commit']);
    expect(written()).toMatch(/^[0-9a-f]{7,}\n$/);
    expect(run('git rev-parse HEAD').startsWith(written().trim())).toBe(true);
  });
});
