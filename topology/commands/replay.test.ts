import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from './main.js';

interface Line {
  readonly line?: number;
  readonly reason?: string;
  readonly metric?: string | null;
  readonly as_of?: string;
  readonly features?: Record<string, number | null>;
}

const NOW = '2026-03-20T12:00:00Z';
const sample = (timestamp: string, readings: object = { gpu_temp: 60 }): string =>
  JSON.stringify({ gpu_uuid: 'GPU-a', timestamp, ...readings });

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'replay-test-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** Replays lines as the command line does. */
async function replay(input: readonly string[], ...options: string[]): Promise<Line[]> {
  const file = join(directory, 'input.jsonl');
  const output = join(directory, 'output.jsonl');
  writeFileSync(file, input.map((line) => `${line}\n`).join(''));
  const arguments_ = ['replay', '--input', file, '--output', output, '--emit', 'features,rejected', ...options];
  expect(await main(arguments_, {})).toBe(0);
  const text = readFileSync(output, 'utf8').trimEnd();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Line);
}

const rejectedOf = (lines: readonly Line[]): (string | null | undefined)[] =>
  lines.filter(({ reason }) => reason !== undefined).map(({ line, reason, metric }) => `${line} ${reason} ${metric}`);

describe('replay', () => {
  it('refuses what is ahead of --now, and what is old only where a flag asks for it', async () => {
    const input = [
      sample('2026-03-01T00:00:00Z'),
      sample('2026-03-20T12:05:00Z'),
      sample('2026-03-20T12:05:00.001Z', { gpu_temp: 60, power_usage: 300 }),
    ];
    const future = ['3 future gpu_temp', '3 future power_usage'];
    expect(rejectedOf(await replay(input))).toEqual([]);
    expect(rejectedOf(await replay(input, '--now', NOW))).toEqual(future);
    expect(rejectedOf(await replay(input, '--now', NOW, '--set', 'ingest.maxAgeDays=8'))).toEqual([
      '1 past gpu_temp',
      ...future,
    ]);
  });

  it('counts a blank line as an empty message', async () => {
    expect(rejectedOf(await replay([sample('2026-03-01T00:00:00Z'), '', sample('2026-03-01T00:01:00Z')]))).toEqual([
      '2 empty null',
    ]);
  });
});
