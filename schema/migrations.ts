import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './package-root.js';

/** A step of the database's schema: a numbered SQL file, never changed once released. */
export interface Migration {
  /** File name, `timescale/` before those that need the extension. */
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
  readonly needsTimescale: boolean;
}

/** All steps in order: plain ones first, then those of TimescaleDB. */
export function migrations(): Migration[] {
  return [...stepsIn('', false), ...stepsIn('timescale', true)];
}

function stepsIn(folder: string, needsTimescale: boolean): Migration[] {
  const directory = join(packageRoot(), 'schema', 'migrations', folder);
  return readdirSync(directory)
    .filter((file) => /^\d{4}_.*\.sql$/.test(file))
    .sort()
    .map((file) => {
      const sql = readFileSync(join(directory, file), 'utf8');
      return {
        name: folder === '' ? file : `${folder}/${file}`,
        sql,
        checksum: createHash('sha256').update(sql).digest('hex'),
        needsTimescale,
      };
    });
}
