import { isoTime, type AssetRecord } from '../../schema/records.js';
import type { TwinFacts } from './twin.js';

const isoDate = (ms: number | undefined): string | null => (ms === undefined ? null : isoTime(ms).slice(0, 10));

/** What a twin knows of a GPU beside its readings, as its asset record. */
export function assetOf(facts: TwinFacts, uuid: string): AssetRecord {
  return {
    gpu_uuid: uuid,
    model: facts.model ?? null,
    deployment_date: isoDate(facts.deploymentMs),
    purchase_date: isoDate(facts.purchaseMs),
    warranty_end: isoDate(facts.warrantyEndMs),
    operating_hours: facts.recordedHours ?? null,
    operating_hours_at: isoDate(facts.recordedAtMs),
  };
}
