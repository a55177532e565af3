import { describe, expect, it } from 'vitest';
import type { AssetRecord } from '../../schema/records.js';
import { differences } from './asset-publisher.js';

const encode = (asset: object): Buffer => Buffer.from(JSON.stringify(asset));

describe('publishing the asset register', () => {
  it('writes what is new or changed, a tombstone for what is gone, and nothing else', () => {
    const a = { gpu_uuid: 'GPU-a', model: 'H100' };
    const b = { gpu_uuid: 'GPU-b', model: 'A100' };
    const { records, changed, removed } = differences(
      new Map<string, AssetRecord>([
        ['GPU-a', a],
        ['GPU-b', { ...b, model: 'H100' }],
        ['GPU-c', { gpu_uuid: 'GPU-c' }],
      ]),
      [
        ['GPU-a', a],
        ['GPU-b', b],
        ['GPU-d', { gpu_uuid: 'GPU-d' }],
      ],
      encode,
      'gpu.assets',
    );
    expect([changed, removed]).toEqual([2, 1]);
    expect(records.map(({ key, value }) => [key, value === null])).toEqual([
      ['GPU-b', false],
      ['GPU-c', false],
      ['GPU-d', true],
    ]);
  });
});
