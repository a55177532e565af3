import { expect, it } from 'vitest';
import { ActuaryError } from '../../schema/errors.js';
import { frame, STATE_VERSION, unframe } from './state-chunk.js';

const payload = Buffer.from('what was written');
const withVersion = (version: number): Buffer => {
  const record = frame('cut', payload);
  record.writeUInt8(version, 2);
  return record;
};

it('gives back what was written, and nothing of what is damaged, cut off or of another kind', () => {
  expect(unframe('cut', frame('cut', payload))).toEqual(payload);
  const damaged = frame('cut', payload);
  damaged.writeUInt8(damaged[damaged.length - 1] ^ 1, damaged.length - 1);
  for (const record of [damaged, frame('cut', payload).subarray(0, 12), Buffer.from('GA'), frame('hot', payload)])
    expect(unframe('cut', record)).toBeNull();
});

it('is made anew where an earlier version wrote it, and refused where a later one did', () => {
  expect(unframe('cut', withVersion(STATE_VERSION - 1))).toBeNull();
  const refused = expect(() => unframe('cut', withVersion(STATE_VERSION + 1)));
  refused.toThrow(ActuaryError);
  refused.toThrow(expect.objectContaining({ code: 'state_newer' }) as Error);
});
