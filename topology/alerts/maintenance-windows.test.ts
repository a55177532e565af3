import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MaintenanceWindows } from './maintenance-windows.js';

const START = Date.UTC(2026, 5, 1);
let directory: string;
let file: string;
let said: string[];
let windows: MaintenanceWindows;
let changes = 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-maintenance-'));
  file = join(directory, 'windows.jsonl');
  said = [];
  const say = ({ code }: { code?: string }): void => void said.push(code ?? 'read');
  windows = new MaintenanceWindows(file, { debug: say, info: say, warn: say, error: say });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Each change has a time of its own, however fast one follows the other. */
const change = (...lines: string[]): Promise<void> => {
  writeFileSync(file, lines.join('\n'));
  utimesSync(file, START / 1000, START / 1000 + ++changes);
  return windows.readFile();
};
const windowOf = (host: string): string =>
  JSON.stringify({ from: '2026-06-01T00:00:00Z', until: '2026-06-01T04:00:00Z', host });
const hosts = (): string[] =>
  ['h1', 'h2', 'h3'].filter((host) => windows.isExpected(START + 60_000, 'GPU-a', host, 'raw'));
const record = (key: string | null, value: string | null) => ({
  ...{ topic: 'gpu.maintenance', partition: 0, offset: 7, timestampMs: START },
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
});

it('of the file hold as it stands now; while it is wrong or gone they stay, and that is said once', async () => {
  await windows.readFile();
  await windows.readFile();
  expect([hosts(), said]).toEqual([[], ['input_unreadable']]);
  await change(windowOf('h1'), windowOf('h2'));
  await windows.readFile();
  expect([hosts(), said.at(-1), said.length]).toEqual([['h1', 'h2'], 'read', 2]);
  await change(windowOf('h3'), '{');
  await windows.readFile();
  expect([hosts(), said.slice(2)]).toEqual([['h1', 'h2'], ['input_invalid']]);
  await change(windowOf('h3'));
  expect(hosts()).toEqual(['h3']);
  rmSync(file);
  await windows.readFile();
  expect([hosts(), said.slice(3)]).toEqual([['h3'], ['read', 'input_unreadable']]);
});

it('of the topic hold beside them, by key, until they are replaced or taken back', async () => {
  await change(windowOf('h1'));
  expect(windows.take(record('fans', windowOf('h2')))).toBeNull();
  expect(hosts()).toEqual(['h1', 'h2']);
  expect(windows.take(record('fans', windowOf('h3')))).toBeNull();
  expect(hosts()).toEqual(['h1', 'h3']);
  expect(windows.take(record('fans', '{}'))).toMatch(/^gpu\.maintenance\/0@7: from: expected a time/);
  expect(hosts()).toEqual(['h1']);
  expect(windows.take(record(null, windowOf('h2')))).toMatch(/expected a key/);
  windows.take(record('fans', windowOf('h2')));
  windows.take(record('fans', null));
  expect(hosts()).toEqual(['h1']);
});
