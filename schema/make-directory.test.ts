import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeDirectory } from './make-directory.js';

const root = mkdtempSync(join(tmpdir(), 'make-directory-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('making a directory', () => {
  it('makes those above it, at the same time as another, and leaves one that is there', async () => {
    const deep = join(root, 'a', 'b');
    await Promise.all([makeDirectory(join(deep, 'one')), makeDirectory(join(deep, 'two'))]);
    await makeDirectory(deep);
    for (const name of ['one', 'two']) expect(statSync(join(deep, name)).isDirectory()).toBe(true);
  });

  it('fails at once where none can be made', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    await expect(makeDirectory(file)).rejects.toThrow(/EEXIST/);
    await expect(makeDirectory(join(file, 'below'))).rejects.toThrow(/ENOTDIR/);
  });

  it.runIf(process.platform === 'linux')('fails at once in a file system that takes none', async () => {
    await expect(makeDirectory('/proc/nothing/below')).rejects.toThrow(/ENOENT/);
  });
});
