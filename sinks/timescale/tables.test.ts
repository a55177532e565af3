import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../schema/package-root.js';
import { METRIC_COLUMNS } from './minute-rows.js';
import { copyLine, OUTPUT_TABLES } from './tables.js';

const sql = readFileSync(join(packageRoot(), 'schema/migrations/0001_tables.sql'), 'utf8');
const columnsOf = (table: string): string[] => {
  const body = new RegExp(`CREATE TABLE ${table} \\(([^;]*)\\);`).exec(sql)![1];
  return body
    .split('\n')
    .map((line) => line.trim().split(' ')[0])
    .filter((name) => name !== '' && name !== 'PRIMARY');
};

describe('rows', () => {
  it('have the columns of their tables, all of them', () => {
    for (const { name, columns } of Object.values(OUTPUT_TABLES))
      expect([...columns].sort(), name).toEqual(columnsOf(name).sort());
    expect([...METRIC_COLUMNS].sort()).toEqual(columnsOf('gpu_metrics').sort());
  });

  it('survive COPY’s text format: tabs, line ends and backslashes are escaped, absence is NULL', () => {
    expect(copyLine(['a\tb', 'c\\d', 'e\nf\r', 1.5, NaN, null, undefined, ''])).toBe(
      'a\\tb\tc\\\\d\te\\nf\\r\t1.5\t\\N\t\\N\t\\N\t\n',
    );
  });
});
