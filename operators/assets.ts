import { withoutMark } from '../schema/byte-order-mark.js';
import { dateMs } from '../schema/dates.js';
import { ActuaryError } from '../schema/errors.js';
import type { AssetRecord } from '../schema/records.js';

/**
 * The asset register: JSON Lines, one asset a line, all fields but gpu_uuid optional. It is a file that people write,
 * so what is wrong in it is an error that names line and field, not a dead letter.
 */

const DATE_FIELDS = ['deployment_date', 'purchase_date', 'warranty_end', 'operating_hours_at'] as const;
const TEXT_FIELDS = ['model', 'batch', 'rack'] as const;
const PLACE_FIELDS = ['cage', 'slot'] as const;
const FIELDS = new Set<string>(['gpu_uuid', 'operating_hours', ...TEXT_FIELDS, ...DATE_FIELDS, ...PLACE_FIELDS]);
/** Above Avro's int no rack has a place. */
const MAX_PLACE = 2 ** 31 - 1;
const GPU_UUID = /^[A-Za-z0-9._:-]{1,128}$/;

/** @throws ActuaryError assets_invalid naming file, line and field */
export function parseAssets(text: string, file: string): Map<string, AssetRecord> {
  const assets = new Map<string, AssetRecord>();
  for (const [index, line] of withoutMark(text).split('\n').entries()) {
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
  for (const field of TEXT_FIELDS) {
    const text = value[field];
    if (text === undefined || text === null) continue;
    if (typeof text !== 'string') throw problem(`${field}: expected text`);
    asset[field] = text;
  }
  for (const field of PLACE_FIELDS) {
    const place = value[field];
    if (place === undefined || place === null) continue;
    if (typeof place !== 'number' || !Number.isInteger(place) || place < 0 || place > MAX_PLACE)
      throw problem(`${field}: expected a whole number, 0 or more`);
    asset[field] = place;
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
