import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';
import { annotatedYaml, describeKeys } from './configuration-text.js';
import { loadConfiguration, validate } from './configuration.js';

describe('the keys of the configuration', () => {
  it('have a meaning each', () => {
    const keys = describeKeys();
    expect(keys.filter(({ description }) => description === '').map(({ key }) => key)).toEqual([]);
    expect(keys.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['kafka.brokers', 'sources[].keyed', 'log.level']),
    );
  });

  it('stand in docs/configuration.md with type, default and meaning, none left out', () => {
    const page = readFileSync(join(packageRoot(), 'docs', 'configuration.md'), 'utf8');
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    const expected = describeKeys().map(
      ({ key, type, default: fallback, description }) =>
        `| \`${key}\` | ${type} | ${fallback === null ? '' : `\`${fallback}\``} | ${description} |`,
    );
    expect(rows.map((row) => row.replace(/ +/g, ' '))).toEqual(expected.map((row) => row.replace(/ +/g, ' ')));
  });

  it('are printed with their meaning, in a form that is a configuration again', () => {
    const config = loadConfiguration({ environment: {}, sets: ['score.everyMs=30000', 'instance=a'] });
    const text = annotatedYaml(config);
    expect(text).toMatch(/# A GPU is due when its event time passes a multiple of this \(ms\)\n {2}everyMs: 30000/);
    expect(text.indexOf('instance:')).toBeLessThan(text.indexOf('\nkafka:'));
    expect(validate(parse(text))).toEqual(config);
  });
});
