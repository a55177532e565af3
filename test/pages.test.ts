import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DCGM_FIELDS } from '../schema/dcgm-fields.js';
import { FEATURES } from '../schema/features.js';
import { SERIES } from '../schema/metrics.js';
import { packageRoot } from '../schema/package-root.js';

const read = (page: string): string => readFileSync(join(packageRoot(), 'docs', page), 'utf8');

it('docs/features.md defines every feature and every metric', () => {
  const page = read('features.md');
  expect(FEATURES.filter(({ name }) => !page.includes(`\`${name}\``))).toEqual([]);
  const derived = (name: string): boolean => /^(nvlink|ecc)_/.test(name);
  const metrics = SERIES.map(({ name, metric }) => (derived(name) ? metric : name));
  expect(metrics.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

it('docs/inputs.md names every field of exposition text', () => {
  const page = read('inputs.md');
  const names = [...DCGM_FIELDS.values()].map(({ name }) => name).filter((name) => !name.includes('NVLINK'));
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
