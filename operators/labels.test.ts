import { describe, expect, it } from 'vitest';
import { LabelReader } from './labels.js';

const NOW_MS = Date.UTC(2026, 6, 1);
const read = (...lines: (string | object)[]): LabelReader => {
  const reader = new LabelReader(NOW_MS);
  for (const line of lines) reader.take(typeof line === 'string' ? line : JSON.stringify(line));
  return reader;
};
const label = { gpu_uuid: 'GPU-a', failed_at: '2026-01-31T12:00:00Z', type: 'memory' };

describe('a file of labels', () => {
  it('gives GPU, time and kind of each line, several of one GPU too; an empty line says nothing', () => {
    const { given, refused } = read(
      label,
      '',
      { ...label, failed_at: '2026-02-01' },
      { ...label, gpu_uuid: 'GPU-b', type: null },
    );
    expect(refused).toEqual([]);
    expect(given).toEqual([
      { line: 1, gpu_uuid: 'GPU-a', failed_at: Date.UTC(2026, 0, 31, 12), type: 'memory' },
      { line: 3, gpu_uuid: 'GPU-a', failed_at: Date.UTC(2026, 1, 1), type: 'memory' },
      { line: 4, gpu_uuid: 'GPU-b', failed_at: Date.UTC(2026, 0, 31, 12), type: null },
    ]);
  });

  it.each([
    ['malformed', '{"gpu_uuid"'],
    ['malformed', '[1]'],
    ['unknown_field', { ...label, failure: 'memory' }],
    ['missing_gpu', { ...label, gpu_uuid: undefined }],
    ['bad_gpu', { ...label, gpu_uuid: 'GPU a/b' }],
    ['missing_time', { ...label, failed_at: null }],
    ['bad_time', { ...label, failed_at: '2026-02-30' }],
    ['bad_time', { ...label, failed_at: 1_764_000_000_000 }],
    ['future', { ...label, failed_at: '2026-07-01T00:00:00.001Z' }],
    ['missing_type', { ...label, type: undefined }],
    ['unknown_type', { ...label, type: 'gremlins\u001b[2J' }],
  ])('refuses with %s: %j', (code, line) => {
    const { given, refused } = read(label, line);
    expect(given).toHaveLength(1);
    expect(refused).toMatchObject([{ line: 2, code }]);
    expect(refused[0].detail).toMatch(/^[\x20-\x7e]*$/);
  });

  it('counts a line that is said again once, and refuses one that contradicts an earlier one', () => {
    const { given, refused } = read(label, label, { ...label, type: 'thermal' });
    expect(given).toHaveLength(1);
    expect(refused).toEqual([{ line: 3, code: 'conflict', detail: 'line 1 says memory of this GPU and time' }]);
  });
});
