import { describe, expect, it } from 'vitest';
import { migrations } from '../../schema/migrations.js';
import { METRIC_COLUMNS } from './minute-rows.js';
import { copyLine, OUTPUT_TABLES } from './tables.js';

const sql = migrations()
  .map((migration) => migration.sql)
  .join('\n');
const columnsOf = (table: string): string[] => {
  const body = new RegExp(`CREATE TABLE ${table} \\(([^;]*)\\);`).exec(sql)![1];
  const added = [...sql.matchAll(new RegExp(`ALTER TABLE ${table}\n([^;]*);`, 'g'))].map(([, text]) =>
    text.replaceAll('ADD COLUMN ', ''),
  );
  return [body, ...added]
    .join('\n')
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
