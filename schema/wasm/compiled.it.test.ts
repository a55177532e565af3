import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../package-root.js';

const root = packageRoot();
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

it.each(Object.keys(scripts).filter((name) => name.startsWith('build:wasm:')))(
  'is kept as its source is compiled: %s makes it anew',
  (name) => {
    const [, ...options] = scripts[name].split(' ');
    const kept = options.findIndex((option) => option.endsWith('.wasm'));
    const directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-wasm-'));
    try {
      const made = join(directory, 'made.wasm');
      const compiler = join(root, 'node_modules', '.bin', 'asc');
      execFileSync(compiler, options.with(kept, made), { cwd: root });
      expect(readFileSync(made).equals(readFileSync(join(root, options[kept])))).toBe(true);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
