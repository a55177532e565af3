import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Makes a directory that is not there yet, whole or not at all: an interrupted download or compilation leaves no half
 * one behind, and where two processes make it at once, what the first one made stays.
 */
export async function wholly(directory: string, fill: (into: string) => Promise<unknown>): Promise<void> {
  if (existsSync(directory)) return;
  await mkdir(dirname(directory), { recursive: true });
  const temporary = await mkdtemp(join(dirname(directory), 'making-'));
  try {
    await fill(temporary);
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (!existsSync(directory)) throw error;
  }
}
