import { isUtf8 } from 'node:buffer';
import { normalise, isBlankText, type Conversion, type Normalised } from '../validate.js';

/** What the JSON shapes have in common: parsing bytes, reading a value that may be anything. */

export type JsonObject = Readonly<Record<string, unknown>>;

export const GPU_UUID = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * Parses RFC 8259 in UTF-8, with one allowance: a bare NaN stands for an absent value, for several collectors write
 * it. It is handed on as the string "NaN".
 * @returns undefined where the bytes are not JSON
 */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    if (!text.includes('NaN')) return undefined;
  }
  try {
    return JSON.parse(quoteNaN(text));
  } catch {
    return undefined;
  }
}

/** Quotes NaN where it stands as a value; what stands in strings is left alone. */
function quoteNaN(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\bNaN\b/gs, (token) => (token === 'NaN' ? '"NaN"' : token));
}

export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const NUMERIC = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

/** A JSON value as a reading; null and undefined must be left out before. */
export function readValue(value: unknown, conversion: Conversion): Normalised {
  const raw = toNumber(value);
  return typeof raw === 'number' ? normalise(raw, conversion) : raw;
}

/** The number that a JSON value stands for, or why it stands for none. */
export function toNumber(value: unknown): Normalised {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return 'unparseable';
  if (NUMERIC.test(value)) return Number(value);
  const text = value.trim();
  if (/^[+-]?nan$/i.test(text)) return 'nan';
  return isBlankText(text) ? 'sentinel' : 'unparseable';
}
