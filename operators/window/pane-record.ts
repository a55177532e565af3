import { S } from '../../schema/metrics.js';
import { C, H, type GpuRecord } from './gpu-record.js';
import { PANE_GROUPS, V1_WIDTH, type PaneSet } from './pane-layout.js';

/**
 * A closed pane by field name, as gpu.panes carries it: all that is needed to compute the window from panes alone.
 * Null where the hour has no reading of the metric. Besides the pane's own fields come those whose newest value
 * matters and which the window keeps once, not by the hour.
 */
export const CARRIED_PANE_FIELDS = [
  'remap_correctable_total',
  'remap_uncorrectable_total',
  'remap_failure',
  'last_xid',
] as const;

/**
 * @param pane of the hour, as a vector
 * @param gpu of the pane, settled
 * @param fromMs start of the pane's hour
 */
export function paneAggregates(
  set: PaneSet,
  pane: Float64Array,
  { hot, h, cold: carried, c: carriedAt }: GpuRecord,
  fromMs: number,
): Record<string, number | null> {
  const within = (index: number): boolean => carried[carriedAt + index] >= fromMs;
  const record: Record<string, number | null> = {};
  for (const group of PANE_GROUPS) {
    const kept = set === 'v2' || group.at < V1_WIDTH;
    const isMoments = group.kind === 'moments' || group.kind === 'pairs';
    const read = isMoments
      ? kept && pane[group.at] > 0
      : kept && (group.of === 'any' || group.of.some((series) => within(C.lastMs + series)));
    for (const [index, field] of group.fields.entries()) {
      if (field.name === 'samples') continue;
      const value = pane[group.at + index];
      if (isMoments && index === 0) record[field.name] = kept ? value : null;
      else record[field.name] = read && Number.isFinite(value) ? value : null;
    }
  }
  if (!within(C.tempJudgedMs)) record.temp_spikes = null;
  if (!within(C.powerJudgedMs)) record.power_anomalies = null;
  if (!within(C.residualJudgedMs)) record.thermal_residual_spikes = null;
  if (!within(C.nvlinkMs)) record.nvlink_errors = null;
  // Once there was a volatile counter, the aggregate one says nothing of errors.
  if (!Number.isNaN(hot[h + H.eccSbeVol]) && !within(C.lastMs + S.eccSbeVol)) record.ecc_sbe_errors = null;
  if (!Number.isNaN(hot[h + H.eccDbeVol]) && !within(C.lastMs + S.eccDbeVol)) record.ecc_dbe_errors = null;
  const since = (ms: number, value: number): number | null => (within(ms) ? carried[carriedAt + value] : null);
  record.remap_correctable_total = since(C.remapCorrectableMs, C.remapCorrectable);
  record.remap_uncorrectable_total = since(C.remapUncorrectableMs, C.remapUncorrectable);
  record.remap_failure = within(C.lastMs + S.remapFailure) ? (within(C.remapFailureMs) ? 1 : 0) : null;
  record.last_xid = since(C.lastMs + S.xid, C.xid);
  return record;
}

/** Names of all fields of a pane record, in order. */
export const PANE_RECORD_FIELDS: readonly string[] = [
  ...PANE_GROUPS.flatMap((group) => group.fields.map((field) => field.name)).filter((name) => name !== 'samples'),
  ...CARRIED_PANE_FIELDS,
];
