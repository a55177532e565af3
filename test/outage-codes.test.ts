import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../schema/errors.js';
import { DEAD_LETTER_CODES } from '../schema/outcome.js';
import { packageRoot } from '../schema/package-root.js';

const read = (...path: string[]): string => readFileSync(join(packageRoot(), ...path), 'utf8');
const KNOWN = new Set<string>([...ERROR_CODES, ...DEAD_LETTER_CODES]);

/** Codes that a page of docs/ promises. */
const codesOf = (page: string): Set<string> =>
  new Set([...read('docs', page).matchAll(/`([a-z_]+)`/g)].map(([, word]) => word).filter((word) => KNOWN.has(word)));

/** Rows of the table of docs/testing.md: code, and the file that shows it. */
const SHOWN = [...read('docs', 'testing.md').matchAll(/^\| `([a-z_]+)` \|.*\| \[[^\]]+\]\(\.\.\/([^)]+)\) \|$/gm)].map(
  ([, code, file]) => ({ code, file }),
);

describe('the codes of docs/outages.md', () => {
  it('have a test each, which docs/testing.md names', () => {
    const shown = new Set(SHOWN.map(({ code }) => code));
    expect([...codesOf('outages.md')].filter((code) => !shown.has(code))).toEqual([]);
  });

  it.each(SHOWN)('$code is looked for in $file', ({ code, file }) => {
    expect(KNOWN).toContain(code);
    expect(read(file)).toMatch(new RegExp(`\\b${code}\\b`));
  });
});
