import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../schema/batch.js';
import { S } from '../schema/metrics.js';
import { DEAD_LETTER_MAX_BYTES, TOPICS } from '../schema/topics.js';
import { messageLetter, sampleLetter } from './dead-letter.js';

const origin = { topic: 'raw', partition: 3, offset: 42 };
const letter = (value: Buffer | null, key: Buffer | null = null) =>
  messageLetter('gpu.dead-letter', origin, key, value, 'malformed', 'why');

describe('the dead letter of a message', () => {
  it('has its bytes and key, a code, and where it lay', () => {
    const bytes = Buffer.from([0xff, 0x00, 0x7b]);
    const { topic, key, value, headers, partition } = letter(bytes, Buffer.from('GPU-a'));
    expect([topic, key, partition]).toEqual(['gpu.dead-letter', 'GPU-a', null]);
    expect(value).toEqual(bytes);
    expect(Object.fromEntries(headers!)).toEqual({
      error_code: 'malformed',
      topic: 'raw',
      partition: '3',
      offset: '42',
      detail: 'why',
    });
    expect(letter(null)).toMatchObject({ key: null, value: null });
  });

  it('outlives the buffer that the message came in', () => {
    const block = Buffer.from('message');
    const { value } = letter(block.subarray(0, 4));
    block.fill(0);
    expect(value!.toString()).toBe('mess');
  });

  it('goes whole as long as the topic takes it, with a short form for a broker that does not', () => {
    expect(TOPICS.deadLetter.config['max.message.bytes']).toBe(String(16 * 1024 * 1024));
    expect(letter(Buffer.alloc(65_536)).ifTooLarge).toBeUndefined();
    const large = letter(Buffer.alloc(15 * 1024 * 1024, 'x'));
    expect(large.value).toHaveLength(15 * 1024 * 1024);
    expect(large.ifTooLarge!.value).toHaveLength(65_536);
    expect(large.ifTooLarge!.headers).toContainEqual(['original_length', String(15 * 1024 * 1024)]);
    const beyond = letter(Buffer.alloc(DEAD_LETTER_MAX_BYTES, 'x'));
    expect(beyond.value).toHaveLength(65_536);
    expect(beyond.headers).toContainEqual(['original_length', String(DEAD_LETTER_MAX_BYTES)]);
  });
});

describe('the dead letter of a sample that time refuses', () => {
  it('has its normalised readings, and the place of the raw message', () => {
    const builder = new BatchBuilder();
    builder.from('raw', 3, 42);
    builder.begin('GPU-a', Date.UTC(2026, 0, 1) + 0.7);
    builder.set(S.gpuTemp, 61.5);
    builder.set(S.eccSbeVol, 2);
    builder.end();
    const { key, value, headers } = sampleLetter('gpu.dead-letter', builder.build(), 0, 'past', 'too old');
    expect(key).toBe('GPU-a');
    expect(JSON.parse(value!.toString())).toEqual({
      gpu_uuid: 'GPU-a',
      event_time: '2026-01-01T00:00:00.000Z',
      readings: { gpu_temp: 61.5, ecc_sbe_vol: 2 },
    });
    expect(Object.fromEntries(headers!)).toMatchObject({
      error_code: 'past',
      topic: 'raw',
      partition: '3',
      offset: '42',
    });
  });
});
