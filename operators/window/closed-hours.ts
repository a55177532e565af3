import { HOUR_MS } from '../../schema/clock.js';
import { S } from '../../schema/metrics.js';
import { paneWidth } from './aggregate.js';
import { C, H, PAIR, type GpuRecord } from './gpu-record.js';
import { vectorOf, type PaneFields, type WindowParts } from './snapshot.js';

/** Series of which a pane field that is not null, or is a count above 0, says that the hour has a reading. */
const READ_BY: readonly (readonly [field: string, series: readonly number[]])[] = [
  ['gpu_temp_n', [S.gpuTemp]],
  ['power_usage_n', [S.powerUsage]],
  ['memory_util_n', [S.memoryUtil]],
  ['sm_active_n', [S.smActive]],
  ['sm_occupancy_n', [S.smOccupancy]],
  ['memory_temp_n', [S.memoryTemp]],
  ['gpu_util_n', [S.gpuUtil]],
  ['sm_clock_n', [S.smClock]],
  ['temp_power_n', [PAIR]],
  ['throttle_n', [S.throttleReasons]],
  // A pane does not say which of both counters it was; whichever it was, errors were looked for.
  ['ecc_sbe_errors', [S.eccSbeVol, S.eccSbeAgg]],
  ['ecc_dbe_errors', [S.eccDbeVol, S.eccDbeAgg]],
  ['remap_correctable_rows', [S.remapCorrectable]],
  ['remap_uncorrectable_rows', [S.remapUncorrectable]],
  ['remap_failure', [S.remapFailure]],
  ['pcie_replays', [S.pcieReplay]],
  ['last_xid', [S.xid]],
];
/** Pane fields that are null unless readings of the hour were judged, or read. */
const SINCE: readonly (readonly [field: string, at: number])[] = [
  ['temp_spikes', C.tempJudgedMs],
  ['power_anomalies', C.powerJudgedMs],
  ['thermal_residual_spikes', C.residualJudgedMs],
  ['nvlink_errors', C.nvlinkMs],
];

/**
 * Makes windows out of closed panes alone, where no snapshot is left; the source, as far as it goes back, is to be read
 * after that. Rings become what they were. Of the state that is carried from hour to hour panes tell the XID latch, the
 * remapped rows and what was read when, to the hour; all else is known again once it was read again.
 */
export class ClosedHours {
  private readonly pane: Float64Array;
  /** Slots that hold carried state from panes. */
  private readonly carried = new Set<number>();

  /** @param sourceHour hour in which the source begins: what is carried out of later hours comes from there */
  constructor(
    private readonly parts: WindowParts,
    private readonly sourceHour: number,
  ) {
    this.pane = new Float64Array(paneWidth(parts.set));
  }

  /** Takes an hour of a GPU; its hours come in order. One that was there before is a repetition, and says nothing new. */
  put(slot: number, hour: number, samples: number, fields: PaneFields): void {
    const { final } = this.parts;
    const { chunk, local, gpu } = this.parts.at(slot);
    const last = final.last(slot);
    if (hour <= last) return;
    if (last > -Infinity) chunk.ring.clear(local, last + 1, hour);
    chunk.ring.write(local, hour, vectorOf(samples, fields, this.pane));
    final.add(slot, hour);
    gpu.cold[gpu.c + C.hoursCounted]++;
    if (hour >= this.sourceHour) return;
    carry(gpu, hour, fields);
    this.carried.add(slot);
  }

  /** All panes were put: opens the hour after the last one before the source. */
  finish(): void {
    let newest = -Infinity;
    for (const slot of this.carried) {
      const { chunk, local, gpu } = this.parts.at(slot);
      const openHour = gpu.hot[gpu.h + H.openHour];
      chunk.heardHour[local] = openHour;
      this.parts.reopen(slot, openHour);
      newest = Math.max(newest, openHour);
    }
    if (newest > -Infinity) this.parts.setTime(newest, newest - 1);
  }
}

/** What a pane says of the state after its hour. Times are known to the hour: its beginning stands for them. */
function carry({ hot, h, cold, c }: GpuRecord, hour: number, fields: PaneFields): void {
  const ms = hour * HOUR_MS;
  hot[h + H.openHour] = hour + 1;
  // Later than any reading of it: what comes next is not before the newest.
  hot[h + H.newestMs] = ms + HOUR_MS - 1;
  if (Number.isNaN(cold[c + C.firstMs])) cold[c + C.firstMs] = ms;
  for (const [field, series] of READ_BY) {
    const value = fields[field] ?? null;
    if (value === null || (field.endsWith('_n') && value === 0)) continue;
    for (const one of series) cold[c + C.lastMs + one] = ms;
  }
  for (const [field, at] of SINCE) if ((fields[field] ?? null) !== null) cold[c + at] = ms;
  if ((fields.xid_hardware ?? 0) > 0) cold[c + C.hardwareXidMs] = ms;
  cold[c + C.xid] = fields.last_xid ?? cold[c + C.xid];
  if (fields.remap_failure === 1) cold[c + C.remapFailureMs] = ms;
  newest(fields.remap_correctable_total, C.remapCorrectable, C.remapCorrectableMs);
  newest(fields.remap_uncorrectable_total, C.remapUncorrectable, C.remapUncorrectableMs);

  function newest(total: number | null | undefined, value: number, at: number): void {
    if (total === null || total === undefined) return;
    cold[c + value] = total;
    cold[c + at] = ms;
  }
}
