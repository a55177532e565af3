import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FEATURES } from '../schema/features.js';
import { packageRoot } from '../schema/package-root.js';

it('docs/features.md defines every feature', () => {
  const page = readFileSync(join(packageRoot(), 'docs', 'features.md'), 'utf8');
  expect(FEATURES.filter(({ name }) => !page.includes(`\`${name}\``))).toEqual([]);
});
