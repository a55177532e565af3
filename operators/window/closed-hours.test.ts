import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../../schema/batch.js';
import { HOUR_MS, MINUTE_MS } from '../../schema/clock.js';
import { F, FEATURE_COUNT } from '../../schema/features.js';
import { S, nvlinkSeries } from '../../schema/metrics.js';
import { ClosedHours } from './closed-hours.js';
import { WindowStore } from './window-store.js';
import type { ClosedPane } from './window.js';

const START = Date.UTC(2026, 0, 5);
const CADENCE_MS = 10 * MINUTE_MS;
const STEPS = 6 * 24 * 9;
const GPUS = 12;
/** The source begins in the middle of an hour, 30 hours before its end; it was answered for up to an hour before that. */
const SOURCE_FROM = STEPS - 30 * 6 - 2;
const ANSWERED = STEPS - 7;
const SILENT = 3;
const SILENT_FROM = SOURCE_FROM - 3 * 6;
const OLD_XID = 6;
const NEW = 7;

interface Told {
  readonly gpuUuid: string;
  readonly pane: ClosedPane;
}

/** A store, and the panes that it closed. */
class Fleet {
  readonly panes: Told[] = [];
  readonly store = new WindowStore({
    gapMs: 2 * CADENCE_MS,
    featureSet: 'v2',
    asset: () => undefined,
    onPaneClosed: (pane) => this.panes.push({ gpuUuid: this.store.uuidOf(pane.slot), pane: { ...pane, slot: 0 } }),
  });

  fold(from: number, until: number): void {
    for (let step = from; step < until; step++) {
      const builder = new BatchBuilder();
      for (let gpu = 0; gpu < GPUS; gpu++) read(builder, gpu, step);
      const batch = builder.build();
      this.store.freeSilent();
      const slots = batch.gpus.map((gpu) => this.store.slotOf(gpu));
      for (let row = 0; row < batch.count; row++)
        this.store.accept(batch, row, slots[batch.gpuIndex[row]], () => undefined);
    }
  }

  features(gpu: number): Record<string, number> {
    const slot = this.store.find(`GPU-${gpu}`);
    const row = new Float64Array(FEATURE_COUNT);
    this.store.features(slot, START + STEPS * CADENCE_MS, row, 0);
    return Object.fromEntries(Object.entries(F).map(([name, index]) => [name, row[index]]));
  }
}

/** Every metric that panes aggregate, in a rhythm that no hour and no day shares. */
function read(builder: BatchBuilder, gpu: number, step: number): void {
  if (gpu === SILENT && step >= SILENT_FROM) return;
  if (gpu === NEW && step < STEPS - 50) return;
  const noise = (gpu * 31 + step * 17) % 23;
  const rare = (step * 7 + gpu) % 101 === 0;
  builder.begin(`GPU-${gpu}`, START + step * CADENCE_MS + gpu * 1000);
  builder.set(S.gpuTemp, 50 + noise + (rare ? 60 : 0));
  builder.set(S.powerUsage, 250 + 7 * noise + (rare ? 300 : 0));
  builder.set(S.smActive, noise * 4);
  builder.set(S.smOccupancy, noise * 3);
  builder.set(S.smClock, 1200 + noise);
  builder.set(S.gpuUtil, noise);
  builder.set(S.memoryTemp, 60 + noise);
  builder.set(S.fbTotal, 80_000);
  builder.set(S.fbUsed, 1_000 * noise);
  builder.set(S.throttleReasons, rare ? 0x60 : 0);
  builder.set(gpu % 2 === 0 ? S.eccSbeVol : S.eccSbeAgg, Math.floor(step / 5));
  builder.set(S.eccDbeVol, Math.floor(step / 500));
  builder.set(S.remapCorrectable, Math.floor(step / 300));
  builder.set(S.remapUncorrectable, Math.floor(step / 400));
  builder.set(S.remapFailure, step === SOURCE_FROM - 40 ? 1 : 0);
  builder.set(S.pcieReplay, step);
  builder.set(nvlinkSeries(0, gpu % 3), step * (gpu + 1));
  // One GPU's code stays from long before the source begins; others' come and go within it.
  builder.set(S.xid, gpu === OLD_XID ? (step > 200 ? 79 : 0) : step > STEPS - 60 && gpu % 3 === 0 ? 48 : 0);
  builder.describe({ model: 'NVIDIA H100 PCIe', host: `host-${gpu % 4}` });
  builder.end();
}

function rebuilt(panes: readonly Told[], sourceFrom: number, until: number): Fleet {
  const fleet = new Fleet();
  const closed = new ClosedHours(
    fleet.store.parts,
    sourceFrom < until ? Math.floor((START + sourceFrom * CADENCE_MS) / HOUR_MS) : Infinity,
  );
  for (const { gpuUuid, pane } of panes)
    closed.put(fleet.store.slotOf(gpuUuid), pane.hourStartMs / HOUR_MS, pane.samples, pane.aggregates);
  closed.finish();
  fleet.fold(sourceFrom, until);
  fleet.store.endRebuild();
  return fleet;
}

describe('windows from closed hours and what is left of the source', () => {
  const whole = new Fleet();
  whole.fold(0, ANSWERED);
  const answered = [...whole.panes];
  whole.fold(ANSWERED, STEPS);

  it('go on as those that were lost: panes and features are the same', () => {
    const fleet = rebuilt(answered, SOURCE_FROM, ANSWERED);
    fleet.panes.length = 0;
    fleet.fold(ANSWERED, STEPS);
    expect(fleet.panes).toHaveLength(GPUS - 1);
    expect(fleet.panes).toEqual(whole.panes.slice(answered.length));
    for (let gpu = 0; gpu < GPUS; gpu++) {
      if (gpu === SILENT || gpu === OLD_XID) continue;
      expect([gpu, fleet.features(gpu)]).toEqual([gpu, whole.features(gpu)]);
    }
    const { hours_since_hardware_xid: since, ...rest } = fleet.features(OLD_XID);
    const { hours_since_hardware_xid: sinceThen, ...others } = whole.features(OLD_XID);
    expect(rest).toEqual(others);
    // The moment of an XID is known to the hour.
    expect(since - sinceThen).toBeGreaterThanOrEqual(0);
    expect(since - sinceThen).toBeLessThan(1);
  });

  it('lack the hour that was open where the source has nothing of a GPU any more, and that alone', () => {
    const fleet = rebuilt(answered, SOURCE_FROM, ANSWERED);
    const [found, wanted] = [fleet.features(SILENT), whole.features(SILENT)];
    expect(found.hours_with_readings).toBe(wanted.hours_with_readings - 1);
    const open = Math.floor((START + (SILENT_FROM - 1) * CADENCE_MS + SILENT * 1000) / HOUR_MS);
    expect(fleet.store.newestMs(fleet.store.find(`GPU-${SILENT}`))).toBe(open * HOUR_MS - 1);
    // As much as six readings of a thousand say.
    expect(found.gpu_temp_mean).toBeCloseTo(wanted.gpu_temp_mean, 0);
    expect(found.remap_failure).toBe(wanted.remap_failure);
    expect(found.xid_hardware_count).toBe(wanted.xid_hardware_count);
  });

  it('are those of the panes where nothing is left of the source', () => {
    const fleet = rebuilt(answered, ANSWERED, ANSWERED);
    // The hour that was open, and the one that came after what was answered for.
    for (let gpu = 0; gpu < GPUS; gpu++)
      expect(fleet.features(gpu).hours_with_readings).toBe(
        whole.features(gpu).hours_with_readings - (gpu === SILENT ? 1 : 2),
      );
  });

  it('take an hour that was written and not committed from the GPU itself', () => {
    const ahead = whole.panes.slice(0, answered.length + 4);
    const fleet = rebuilt(ahead, SOURCE_FROM, ANSWERED);
    fleet.panes.length = 0;
    fleet.fold(ANSWERED, STEPS);
    expect(fleet.panes).toEqual(whole.panes.slice(answered.length));
    expect(fleet.features(0)).toEqual(whole.features(0));
  });

  it('take an hour that was written twice once', () => {
    const twice = answered.flatMap((told, index) => (index % 5 === 0 ? [told, told] : [told]));
    const fleet = rebuilt(twice, SOURCE_FROM, STEPS);
    expect(fleet.features(0)).toEqual(whole.features(0));
  });
});
