import { linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from './main.js';

interface Line {
  readonly line?: number;
  readonly gpu_uuid?: string | null;
  readonly reason?: string;
  readonly metric?: string | null;
  readonly kind?: string;
  readonly as_of?: string;
  readonly model?: string;
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
  const emits = options.includes('--emit') ? [] : ['--emit', 'features,rejected'];
  const arguments_ = ['replay', '--input', file, '--output', output, ...emits, ...options];
  expect(await main(arguments_, {})).toBe(0);
  const text = readFileSync(output, 'utf8').trimEnd();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Line);
}

const rejectedOf = (lines: readonly Line[]): (string | null | undefined)[] =>
  lines.filter(({ reason }) => reason !== undefined).map(({ line, reason, metric }) => `${line} ${reason} ${metric}`);

describe('replay', () => {
  it('says what became of its input where the output does not', async () => {
    const tellsOf = async (lines: readonly string[], ...options: string[]): Promise<string> => {
      const file = join(directory, 'told.jsonl');
      writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
      let told = '';
      const stderr = new Writable({
        write(chunk: Buffer, _, done) {
          told += chunk.toString();
          done();
        },
      });
      const output = ['--output', join(directory, 'told-output.jsonl')];
      expect(
        await main(
          ['replay', '--input', file, ...output, ...options],
          {},
          { stdin: process.stdin, stdout: new Writable(), stderr },
        ),
      ).toBe(0);
      return told;
    };
    const good = sample('2026-03-01T00:00:00Z');
    const bad = JSON.stringify({ gpu: 'GPU-a', timestamp: '2026-03-01T00:00:00Z', gpu_temp: 60 });
    expect(await tellsOf([good])).toBe('');
    expect(await tellsOf([bad, bad, 'x'], '--format', 'wide-json-flat')).toBe(
      'replay: 3 lines in, no result; refused: 2 missing_gpu, 1 malformed (--emit rejected tells of each)\n',
    );
    expect(await tellsOf([good, bad], '--format', 'wide-json-flat')).toBe(
      'replay: 2 lines in, results: 1; refused: 1 missing_gpu (--emit rejected tells of each)\n',
    );
    expect(await tellsOf([good, bad], '--format', 'wide-json-flat', '--emit', 'features,rejected')).toBe('');
    expect(await tellsOf([good], '--as-of', '2020-01-01T00:00:00Z')).toBe('replay: 1 line in, no result\n');
    expect(await tellsOf([])).toBe('replay: 0 lines in, no result\n');
    expect(await tellsOf([good], '--emit', 'rejected')).toBe('replay: 1 line in, refused: none\n');
  });

  it('does not write over what it reads', async () => {
    const text = `${sample('2026-03-01T00:00:00Z')}\n`;
    const input = join(directory, 'same.jsonl');
    writeFileSync(input, text);
    const linked = join(directory, 'linked.jsonl');
    linkSync(input, linked);
    for (const output of [input, linked])
      expect(await main(['replay', '--input', input, '--output', output], {})).toBe(2);
    expect(readFileSync(input, 'utf8')).toBe(text);
    const config = join(directory, 'config.yaml');
    writeFileSync(config, 'http: { port: 9 }\n');
    const environment = { GPU_ACTUARY_CONFIG: config };
    expect(await main(['replay', '--input', input, '--output', config], environment)).toBe(2);
    const listed = join(directory, 'listed.jsonl');
    writeFileSync(listed, '{"gpu_uuid":"GPU-a","as_of":"2026-03-01T00:00:00Z"}\n');
    expect(await main(['replay', '--input', input, '--output', listed, '--as-of', `listed:${listed}`], {})).toBe(2);
    for (const file of [config, listed]) expect(readFileSync(file, 'utf8')).not.toBe('');
  });

  it('reads a file that begins with a byte order mark', async () => {
    const [first] = await replay([`\ufeff${sample('2026-03-01T00:00:00Z')}`]);
    expect(first.as_of).toBe('2026-03-01T00:00:00.000Z');
  });

  it('refuses what is neither JSON Lines nor exposition text', async () => {
    const file = join(directory, 'input.csv');
    writeFileSync(file, 'gpu_uuid,timestamp,gpu_temp\nGPU-a,2026-03-01T00:00:00Z,60\n');
    expect(await main(['replay', '--input', file, '--at', NOW], {})).toBe(1);
  });

  it('refuses line by line what is not of the format that was named', async () => {
    const scrape = ['oops,', 'DCGM_FI_DEV_GPU_TEMP{UUID="GPU-a"} 61'];
    const lines = await replay(scrape, '--at', NOW, '--format', 'prometheus-text');
    expect(lines.find(({ features }) => features !== undefined)?.features?.gpu_temp_mean).toBe(61);
  });

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

  it('lets a reading of a wrong future make those after it late, unless --now refuses it', async () => {
    const input = [
      sample('2026-03-01T00:00:00Z'),
      sample('9999-12-31T00:00:00Z'),
      sample('2026-03-01T00:01:00Z', { gpu_temp: 70 }),
    ];
    expect(rejectedOf(await replay(input))).toEqual(['3 late gpu_temp']);
    const judged = await replay(input, '--now', NOW);
    expect(rejectedOf(judged)).toEqual(['2 future gpu_temp']);
    expect(judged.find(({ features }) => features !== undefined)?.features?.gpu_temp_mean).toBe(65);
  });

  it('counts a blank line as an empty message', async () => {
    expect(rejectedOf(await replay([sample('2026-03-01T00:00:00Z'), '', sample('2026-03-01T00:01:00Z')]))).toEqual([
      '2 empty null',
    ]);
  });

  it('counts a metric of two series once where a sample is refused for its time', async () => {
    const input = [
      JSON.stringify({
        timestamp: '2026-03-20T13:00:00Z',
        gpu: { gpu_uuid: 'GPU-a' },
        metrics: { health: { gpu_temp_c: 60 }, memory: { ecc_sbe_volatile: 1, ecc_sbe_aggregate: 2 } },
      }),
    ];
    expect(rejectedOf(await replay(input, '--now', NOW))).toEqual(['1 future gpu_temp', '1 future ecc_sbe']);
  });

  it('says of each hour the model that the GPU bore then', async () => {
    const wide = (timestamp: string, name: string): string =>
      JSON.stringify({ timestamp, gpu: { gpu_uuid: 'GPU-a', name }, metrics: { health: { gpu_temp_c: 60 } } });
    const input = [
      wide('2026-03-01T00:10:00Z', 'NVIDIA H100 PCIe'),
      wide('2026-03-01T01:10:00Z', 'NVIDIA L4'),
      wide('2026-03-01T02:10:00Z', 'NVIDIA T4'),
    ];
    const lines = await replay(input, '--emit', 'predictions', '--as-of', 'every:1h', '--set', 'model.directory=null');
    expect(lines.map(({ as_of, model }) => [as_of, model])).toEqual([
      ['2026-03-01T01:00:00.000Z', 'NVIDIA H100 PCIe'],
      ['2026-03-01T02:00:00.000Z', 'NVIDIA L4'],
    ]);
  });

  it('evaluates each GPU at the times that a file lists for it, from the readings up to them', async () => {
    const listed = join(directory, 'listed.jsonl');
    const times = ['2026-03-02T00:00:00Z', '2026-02-28T00:00:00Z', '2026-03-01T00:30:00Z', '2026-03-01T01:00:00Z'];
    const lines = times.map((as_of) => JSON.stringify({ gpu_uuid: 'GPU-a', as_of, days_to_failure: null }));
    writeFileSync(listed, [...lines, '{"gpu_uuid":"GPU-b","as_of":"2026-03-01T00:30:00Z"}', ''].join('\n'));
    const input = [
      sample('2026-03-01T00:00:00Z', { gpu_temp: 50 }),
      sample('2026-03-01T00:30:00Z', { gpu_temp: 60 }),
      sample('2026-03-01T01:30:00Z', { gpu_temp: 70 }),
    ];
    const rows = await replay(input, '--as-of', `listed:${listed}`);
    expect(rows.map(({ as_of, features }) => [as_of, features?.['gpu_temp_mean']])).toEqual([
      ['2026-03-01T00:30:00.000Z', 55],
      ['2026-03-01T01:00:00.000Z', 55],
      ['2026-03-02T00:00:00.000Z', 60],
    ]);
  });

  it('takes an hour’s row before a reading of memory use of the next hour that comes alone', async () => {
    const scrape = (timestamp_ms: number, ...series: [string, number][]): string =>
      JSON.stringify({
        timestamp_ms,
        text: series.map(([name, value]) => `DCGM_FI_DEV_${name}{UUID="GPU-a"} ${value}\n`).join(''),
      });
    const hour = Date.parse('2026-03-01T01:00:00Z');
    const input = [
      scrape(hour - 60_000, ['GPU_TEMP', 60], ['FB_USED', 10], ['FB_FREE', 90]),
      scrape(hour + 60_000, ['FB_USED', 30]),
      scrape(hour + 120_000, ['GPU_TEMP', 60]),
    ];
    const [row] = await replay(input, '--as-of', 'every:1h');
    expect(row.as_of).toBe('2026-03-01T01:00:00.000Z');
    expect(row.features).toMatchObject({ memory_util_mean: 10, silent_minutes: 1 });
  });

  it.each([1e300, 8_640_000_000_000_001, -8_640_000_000_000_001, '2026', null])(
    'refuses a scrape whose time is %s, and takes the others',
    async (timestamp_ms) => {
      const scrape = (time: unknown, gpu: string): string =>
        JSON.stringify({ timestamp_ms: time, text: `DCGM_FI_DEV_GPU_TEMP{UUID="${gpu}"} 61\n` });
      const input = [scrape(Date.parse('2026-03-01T00:00:00Z'), 'GPU-a'), scrape(timestamp_ms, 'GPU-b')];
      const lines = await replay(input, '--emit', 'features,rejected', '--now', NOW);
      expect(lines.filter(({ features }) => features !== undefined).map(({ gpu_uuid }) => gpu_uuid)).toEqual(['GPU-a']);
      expect(JSON.stringify(lines)).toContain('bad_time');
    },
  );

  it('reads times listed in a file that begins with a byte order mark', async () => {
    const listed = join(directory, 'marked.jsonl');
    writeFileSync(listed, '\ufeff{"gpu_uuid":"GPU-a","as_of":"2026-03-01T00:30:00Z"}\n');
    const [row] = await replay([sample('2026-03-01T00:00:00Z')], '--as-of', `listed:${listed}`);
    expect(row.as_of).toBe('2026-03-01T00:30:00.000Z');
  });
});
