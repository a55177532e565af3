import { ActuaryError } from '../schema/errors.js';
import type { AssetRecord } from '../schema/records.js';

/**
 * The asset register: JSON Lines, one asset a line, all fields but gpu_uuid optional. It is a file that people write,
 * so what is wrong in it is an error that names line and field, not a dead letter.
 */

const DATE_FIELDS = ['deployment_date', 'purchase_date', 'warranty_end', 'operating_hours_at'] as const;
const FIELDS = new Set<string>(['gpu_uuid', 'model', 'operating_hours', ...DATE_FIELDS]);
const GPU_UUID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Epoch ms of an ISO date's midnight UTC, or of an ISO time cut to its date; NaN where it is neither. */
export function dateMs(text: string): number {
  const match = /^(\d{4})-(\d{2})-(\d{2})(?:$|[T ])/.exec(text);
  if (match === null) return NaN;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const ms = Date.UTC(year, month - 1, day);
  const date = new Date(ms);
  // 2026-02-30 would silently become March.
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? ms : NaN;
}

/** @throws ActuaryError assets_invalid naming file, line and field */
export function parseAssets(text: string, file: string): Map<string, AssetRecord> {
  const assets = new Map<string, AssetRecord>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const problem = (what: string): ActuaryError => new ActuaryError('assets_invalid', `${file}:${index + 1}: ${what}`);
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw problem('not JSON');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw problem('not a JSON object');
    const asset = readAsset(value as Record<string, unknown>, problem);
    if (assets.has(asset.gpu_uuid)) throw problem(`a second line for ${asset.gpu_uuid}`);
    assets.set(asset.gpu_uuid, asset);
  }
  return assets;
}

function readAsset(value: Record<string, unknown>, problem: (what: string) => ActuaryError): AssetRecord {
  for (const field of Object.keys(value)) if (!FIELDS.has(field)) throw problem(`unknown field ${field}`);
  const uuid = value.gpu_uuid;
  if (typeof uuid !== 'string' || !GPU_UUID.test(uuid)) throw problem('gpu_uuid: expected 1-128 of A-Za-z0-9._:-');
  const asset: AssetRecord = { gpu_uuid: uuid };
  if (value.model !== undefined && value.model !== null) {
    if (typeof value.model !== 'string') throw problem('model: expected text');
    asset.model = value.model;
  }
  for (const field of DATE_FIELDS) {
    const date = value[field];
    if (date === undefined || date === null) continue;
    if (typeof date !== 'string' || Number.isNaN(dateMs(date)))
      throw problem(`${field}: expected a date like 2026-01-31`);
    asset[field] = date;
  }
  const hours = value.operating_hours;
  if (hours !== undefined && hours !== null) {
    if (typeof hours !== 'number' || !(hours >= 0) || !Number.isFinite(hours))
      throw problem('operating_hours: expected a number of hours, 0 or more');
    asset.operating_hours = hours;
  }
  return asset;
}
