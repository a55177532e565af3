import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../schema/package-root.js';
import type { BuildInfo } from '../serving/metrics.js';

export function version(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}

/** What is running. `npm run build` writes the commit beside what it compiles, where there is one to write. */
export function buildInfo(commitFile = new URL('../commit.txt', import.meta.url)): BuildInfo {
  let commit = '';
  try {
    commit = readFileSync(commitFile, 'utf8').trim();
  } catch {
    // Sources that were not built.
  }
  return { version: version(), commit: commit === '' ? null : commit };
}
