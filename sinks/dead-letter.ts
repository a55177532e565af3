import { readingsOf, type SampleBatch } from '../schema/batch.js';
import type { DeadLetterCode } from '../schema/outcome.js';
import { isoTime } from '../schema/records.js';
import { DEAD_LETTER_MAX_BYTES } from '../schema/topics.js';
import type { OutputRecord } from './kafka.js';

/** What is larger than gpu.dead-letter takes goes with its first 64 KiB. */
export { DEAD_LETTER_MAX_BYTES };
const TRUNCATED_BYTES = 64 * 1024;
/** Room for key, headers and framing of a record. */
const OVERHEAD_BYTES = 16 * 1024;

/** Where the message that went wrong lies. */
export interface LetterOrigin {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** A dead letter with the original bytes of a message; with the first of them where the broker refuses the whole. */
export function messageLetter(
  topic: string,
  origin: LetterOrigin,
  key: Buffer | null,
  value: Buffer | null,
  code: DeadLetterCode,
  detail: string,
): OutputRecord {
  const whole = letterOf(topic, origin, key, value, code, detail, null);
  if (value === null || value.length <= TRUNCATED_BYTES) return whole;
  const truncated = letterOf(topic, origin, key, value.subarray(0, TRUNCATED_BYTES), code, detail, value.length);
  return value.length + OVERHEAD_BYTES > DEAD_LETTER_MAX_BYTES ? truncated : { ...whole, ifTooLarge: truncated };
}

function letterOf(
  topic: string,
  origin: LetterOrigin,
  key: Buffer | null,
  value: Buffer | null,
  code: DeadLetterCode,
  detail: string,
  originalLength: number | null,
): OutputRecord {
  return {
    topic,
    partition: null,
    key: key === null ? null : key.toString('utf8').slice(0, 1024),
    // A copy: the original may be a view into a larger buffer that is about to go.
    value: value === null ? null : Buffer.from(value),
    headers: [
      ...headersOf(code, origin, detail),
      ...(originalLength === null ? [] : [['original_length', String(originalLength)] as const]),
    ],
  };
}

/** A dead letter with the normalised readings of a sample that was refused by its time. */
export function sampleLetter(
  topic: string,
  batch: SampleBatch,
  row: number,
  code: 'late' | 'future' | 'past',
  detail: string,
  readings: Readonly<Record<string, number>> = readingsOf(batch, row),
): OutputRecord {
  const uuid = batch.gpus[batch.gpuIndex[row]];
  const { topic: originTopic, partition } = batch.origins[batch.originIndex[row]];
  const origin = { topic: originTopic, partition, offset: batch.originOffset[row] };
  const letter = { gpu_uuid: uuid, event_time: isoTime(batch.eventTimeMs[row]), readings };
  return {
    topic,
    partition: null,
    key: uuid,
    value: Buffer.from(JSON.stringify(letter)),
    headers: headersOf(code, origin, detail),
  };
}

function headersOf(code: DeadLetterCode, origin: LetterOrigin, detail: string): (readonly [string, string])[] {
  return [
    ['error_code', code],
    ['topic', origin.topic],
    ['partition', String(origin.partition)],
    ['offset', String(origin.offset)],
    ['detail', detail.slice(0, 512)],
  ];
}
