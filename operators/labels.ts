import { FAILURE_TYPES, isoTime, type FailureType } from '../schema/records.js';
import { parseIsoTime } from './decode/time.js';

/**
 * Observed failures as people hand them in: JSON Lines of `{gpu_uuid, failed_at, type}`. Each line is judged by itself,
 * so that one look tells all that is wrong with a file.
 */

/** Why a line is refused; stable, for programs. */
export const LABEL_REFUSALS = [
  'malformed',
  'unknown_field',
  'missing_gpu',
  'bad_gpu',
  'missing_time',
  'bad_time',
  'future',
  'missing_type',
  'unknown_type',
  'conflict',
] as const;
export type LabelRefusal = (typeof LABEL_REFUSALS)[number];

/** A line that says that a GPU failed; or, with the type null, that it did not after all. */
export interface GivenLabel {
  readonly line: number;
  readonly gpu_uuid: string;
  /** Epoch ms. */
  readonly failed_at: number;
  readonly type: FailureType | null;
}

export interface RefusedLabel {
  readonly line: number;
  readonly code: LabelRefusal;
  readonly detail: string;
}

const FIELDS = new Set(['gpu_uuid', 'failed_at', 'type']);
const GPU_UUID = /^[A-Za-z0-9._:-]{1,128}$/;

class Refusal extends Error {
  constructor(
    readonly code: LabelRefusal,
    detail: string,
  ) {
    super(detail);
  }
}

/** Reads labels line by line; what was read before decides whether a line contradicts it. */
export class LabelReader {
  readonly given: GivenLabel[] = [];
  readonly refused: RefusedLabel[] = [];
  private readonly seen = new Map<string, GivenLabel>();
  private line = 0;

  /** @param nowMs epoch ms; nothing later has been observed yet */
  constructor(private readonly nowMs: number) {}

  /** Takes the next line; an empty one says nothing. */
  take(text: string): void {
    this.line++;
    if (text.trim() === '') return;
    try {
      const label = this.read(text);
      const key = `${label.gpu_uuid} ${label.failed_at}`;
      const before = this.seen.get(key);
      if (before !== undefined && before.type !== label.type)
        throw new Refusal('conflict', `line ${before.line} says ${before.type ?? 'null'} of this GPU and time`);
      if (before !== undefined) return;
      this.seen.set(key, label);
      this.given.push(label);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refused.push({ line: this.line, code: error.code, detail: error.message });
    }
  }

  private read(text: string): GivenLabel {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new Refusal('malformed', 'not JSON');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Refusal('malformed', 'not a JSON object');
    // A misspelt field would be a label that says less than was meant.
    const unknown = Object.keys(value).find((field) => !FIELDS.has(field));
    if (unknown !== undefined)
      throw new Refusal('unknown_field', `${shown(unknown)}: expected gpu_uuid, failed_at, type`);
    const { gpu_uuid: gpuUuid, failed_at: failedAt, type } = value as Record<string, unknown>;
    if (gpuUuid === undefined || gpuUuid === null) throw new Refusal('missing_gpu', 'no gpu_uuid');
    if (typeof gpuUuid !== 'string' || !GPU_UUID.test(gpuUuid))
      throw new Refusal('bad_gpu', `gpu_uuid ${shown(gpuUuid)}: expected 1-128 of A-Za-z0-9._:-`);
    if (failedAt === undefined || failedAt === null) throw new Refusal('missing_time', 'no failed_at');
    const failedMs = typeof failedAt === 'string' ? parseIsoTime(failedAt) : NaN;
    if (Number.isNaN(failedMs))
      throw new Refusal('bad_time', `failed_at ${shown(failedAt)}: expected a time like 2026-01-31T12:00:00Z`);
    if (failedMs > this.nowMs) throw new Refusal('future', `failed_at ${isoTime(failedMs)} is still to come`);
    if (type === undefined) throw new Refusal('missing_type', 'no type; null takes a label out');
    if (type !== null && !(FAILURE_TYPES as readonly unknown[]).includes(type))
      throw new Refusal('unknown_type', `type ${shown(type)}: expected ${FAILURE_TYPES.join(', ')}, or null`);
    return { line: this.line, gpu_uuid: gpuUuid, failed_at: failedMs, type: type as FailureType | null };
  }
}

/** A value of somebody's file, short, and with nothing in it that steers a terminal. */
function shown(value: unknown): string {
  return JSON.stringify(value)
    .slice(0, 80)
    .replace(/[^\x20-\x7e]/g, '.');
}
