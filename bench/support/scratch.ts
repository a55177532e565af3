import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Temporary directories that are gone when this process ends, however it ends short of SIGKILL. */
const directories = new Set<string>();
let watching = false;

export function scratchDirectory(purpose: string): string {
  if (!watching) {
    watching = true;
    process.on('exit', () => {
      for (const directory of directories) removeScratch(directory);
    });
  }
  const directory = mkdtempSync(join(tmpdir(), `gpu-actuary-${purpose}-`));
  directories.add(directory);
  return directory;
}

/** A process that was killed a moment ago may still hold files in it. */
export function removeScratch(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  directories.delete(directory);
}
