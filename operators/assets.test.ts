import { describe, expect, it } from 'vitest';
import { dateMs } from '../schema/dates.js';
import { parseAssets } from './assets.js';

describe('asset register', () => {
  it('reads one asset a line, empty lines and nulls left out', () => {
    const assets = parseAssets(
      '{"gpu_uuid":"GPU-a","model":"NVIDIA H100","deployment_date":"2024-02-01","operating_hours":12.5}\n\n{"gpu_uuid":"GPU-b","model":null}\n',
      'assets.jsonl',
    );
    expect([...assets.values()]).toEqual([
      { gpu_uuid: 'GPU-a', model: 'NVIDIA H100', deployment_date: '2024-02-01', operating_hours: 12.5 },
      { gpu_uuid: 'GPU-b' },
    ]);
  });

  it('passes over a byte order mark', () => {
    expect(parseAssets('\ufeff{"gpu_uuid":"GPU-a"}\n', 'assets.jsonl').has('GPU-a')).toBe(true);
  });

  it('reads batch and place', () => {
    const place = { gpu_uuid: 'GPU-a', batch: 'B7', rack: 'r12', cage: 2, slot: 0 };
    expect(parseAssets(JSON.stringify(place), 'assets.jsonl').get('GPU-a')).toEqual(place);
  });

  it.each([
    ['{"gpu_uuid":"GPU-a"', 'not JSON'],
    ['[]', 'not a JSON object'],
    ['{"model":"x"}', 'gpu_uuid'],
    ['{"gpu_uuid":"a b"}', 'gpu_uuid'],
    ['{"gpu_uuid":"a","deployed":"2024-01-01"}', 'unknown field deployed'],
    ['{"gpu_uuid":"a","warranty_end":"2024-02-30"}', 'warranty_end'],
    ['{"gpu_uuid":"a","operating_hours":-1}', 'operating_hours'],
    ['{"gpu_uuid":"a","batch":7}', 'batch'],
    ['{"gpu_uuid":"a","cage":"top"}', 'cage'],
    ['{"gpu_uuid":"a","slot":1.5}', 'slot'],
    ['{"gpu_uuid":"a","slot":3000000000}', 'slot'],
    ['{"gpu_uuid":"a"}\n{"gpu_uuid":"a"}', 'a second line for a'],
  ])('refuses %s by file and line', (text, message) => {
    expect(() => parseAssets(text, 'assets.jsonl')).toThrow(new RegExp(`assets\\.jsonl:\\d+: .*${message}`));
  });

  it('takes dates as midnight UTC', () => {
    expect(dateMs('2026-01-31')).toBe(Date.UTC(2026, 0, 31));
    expect(dateMs('2026-01-31T12:00:00Z')).toBe(Date.UTC(2026, 0, 31));
    expect(dateMs('31.1.2026')).toBeNaN();
  });
});
