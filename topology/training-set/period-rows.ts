import { MAX_ROWS, RowResults } from '../../operators/window/window.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { BatchBuilder, emptyReadings, type SampleMetadata, type SinkGpu } from '../../schema/batch.js';
import { DAY_MS, MINUTE_MS } from '../../schema/clock.js';
import { FEATURE_COUNT, FEATURES } from '../../schema/features.js';
import { FAILURE_TYPES, type AssetRecord } from '../../schema/records.js';
import type { Enrolled } from '../../simulator/case-cohort.js';
import type { GpuState } from '../../simulator/gpu-state.js';
import { assetOf, type HostFacts } from '../../simulator/inventory.js';
import { MOST_READINGS, readingsOf } from '../../simulator/readings.js';
import { T, TALLIES, TALLY_COUNT } from '../../simulator/tally.js';
import { Telemetry } from '../../simulator/telemetry.js';
import { HORIZON_DAYS, type Truth } from '../../simulator/truth.js';
import { R, ROW_WIDTH } from './columns.js';
import { FOLLOW_DAYS, PERIOD_DAYS, ROW_DAYS, type FleetPlan } from './plan.js';

/** Features that are published: a prefix of the engine's row. */
export const PUBLISHED = FEATURES.filter(({ set }) => set !== 'internal').map(({ name }) => name);
const MIN_GAP_MS = 5 * MINUTE_MS;

/** Rows of one period, struct of arrays. */
export interface PeriodRows {
  readonly count: number;
  readonly features: Float64Array;
  readonly rows: Float64Array;
  /** A row: PERIOD_DAYS × TALLY_COUNT, oldest day first, NaN for days that are not observed. */
  readonly daily: Float64Array;
  /** Samples that went through the windows. */
  readonly samples: number;
}

export interface PeriodOptions {
  readonly plan: FleetPlan;
  readonly period: number;
  readonly beginMs: number;
  readonly enrolled: readonly Enrolled[];
  readonly truth: Truth;
  /** Number of a GPU in its fleet. */
  readonly numberOf: (uuid: string) => number;
}

/** A gap is two and a half scrapes, and never shorter than the engine's default. */
export function gapMs(cadenceMs: number): number {
  return Math.max(MIN_GAP_MS, 2.5 * cadenceMs);
}

/**
 * Telemetry of some boards, straight into the engine's windows, and the rows that come of it: the operators are the
 * ones that serve, the batches never become bytes.
 */
export class PeriodMaker {
  private readonly telemetry: Telemetry;
  private readonly windows: WindowStore;
  private readonly builder = new BatchBuilder(512);
  private readonly readings = emptyReadings(MOST_READINGS);
  private readonly sinks = new Map<GpuState, SinkGpu>();
  private readonly metadata = new Map<HostFacts, SampleMetadata>();
  private readonly results = new RowResults();
  private slots = new Int32Array(0);
  private samples = 0;
  /** Tallies at the end of each day so far, by GPU in the order of enrolment. */
  private readonly days: Float64Array[] = [];

  constructor(private readonly options: PeriodOptions) {
    const { plan, beginMs, enrolled, period } = options;
    const { world, seed, cadenceMs } = plan;
    const boards = enrolled.map(({ board }) => board);
    const assets = new Map<string, AssetRecord>(boards.map(({ facts }) => [facts.uuid, assetOf(seed, facts, beginMs)]));
    this.telemetry = new Telemetry({ world, seed, boards, startMs: beginMs, cadenceMs, stream: `/${period}` });
    this.windows = new WindowStore({ gapMs: gapMs(cadenceMs), asset: (uuid) => assets.get(uuid) });
  }

  make(): PeriodRows {
    const { plan, beginMs } = this.options;
    const blocks: Pick<PeriodRows, 'features' | 'rows' | 'daily'>[] = [];
    this.days.push(this.tallies());
    for (let day = 1; day <= PERIOD_DAYS; day++) {
      this.run(beginMs + (day - 1) * DAY_MS, beginMs + day * DAY_MS, plan.cadenceMs);
      this.days.push(this.tallies());
      if ((ROW_DAYS as readonly number[]).includes(day)) blocks.push(this.rowsAt(day));
    }
    const joined = (key: 'features' | 'rows' | 'daily'): Float64Array => join(blocks.map((block) => block[key]));
    const rows = joined('rows');
    return {
      count: rows.length / ROW_WIDTH,
      features: joined('features'),
      rows,
      daily: joined('daily'),
      samples: this.samples,
    };
  }

  /** One batch a scrape period: no GPU twice in it. */
  private run(fromMs: number, toMs: number, cadenceMs: number): void {
    let tick = Math.floor((fromMs - this.options.beginMs) / cadenceMs);
    for (const { timeMs, host, gpus } of this.telemetry.scrapesBetween(fromMs, toMs, cadenceMs)) {
      const its = Math.floor((timeMs - this.options.beginMs) / cadenceMs);
      if (its !== tick) this.fold();
      tick = its;
      const metadata = this.metadataOf(host);
      for (const gpu of gpus) {
        readingsOf(gpu, this.readings);
        this.builder.add(this.sinkOf(gpu), timeMs, this.readings, metadata);
      }
    }
    this.fold();
  }

  private fold(): void {
    const { builder, windows, results } = this;
    if (builder.length === 0) return;
    const batch = builder.view();
    if (this.slots.length < batch.gpus.length) this.slots = new Int32Array(2 * batch.gpus.length);
    batch.gpus.forEach((uuid, index) => (this.slots[index] = windows.slotOf(uuid)));
    for (let from = 0; from < batch.count; from += MAX_ROWS)
      windows.acceptRows(batch, from, Math.min(batch.count, from + MAX_ROWS), this.slots, refused, refused, results);
    this.samples += batch.count;
    builder.clear();
  }

  private rowsAt(day: number): Pick<PeriodRows, 'features' | 'rows' | 'daily'> {
    const { beginMs, enrolled } = this.options;
    const asOfMs = beginMs + day * DAY_MS;
    const present = enrolled
      .map((each, index) => ({ ...each, index, slot: this.windows.find(each.board.facts.uuid) }))
      .filter(({ board, slot }) => slot >= 0 && board.life.endsAtMs > asOfMs);
    const features = new Float64Array(present.length * PUBLISHED.length);
    const rows = new Float64Array(present.length * ROW_WIDTH);
    const daily = new Float64Array(present.length * PERIOD_DAYS * TALLY_COUNT).fill(NaN);
    const scratch = new Float64Array(FEATURE_COUNT);
    present.forEach((each, row) => {
      this.windows.features(each.slot, asOfMs, scratch, 0);
      features.set(scratch.subarray(0, PUBLISHED.length), row * PUBLISHED.length);
      this.describe(each, day, rows, row * ROW_WIDTH);
      this.recall(each.index, day, daily, row * PERIOD_DAYS * TALLY_COUNT);
    });
    return { features, rows, daily };
  }

  private describe({ board, weight }: Enrolled, day: number, out: Float64Array, at: number): void {
    const { beginMs, period, truth, numberOf } = this.options;
    const { facts, life } = board;
    const asOfMs = beginMs + day * DAY_MS;
    const now = life.day(asOfMs);
    const failed = life.failureType !== null;
    const followed = PERIOD_DAYS - day + FOLLOW_DAYS;
    const seen = failed && life.failedDay < now + followed;
    out[at + R.gpu] = numberOf(facts.uuid);
    out[at + R.period] = period;
    out[at + R.as_of_days] = asOfMs / DAY_MS;
    out[at + R.observed_days] = Math.min(day, (asOfMs - facts.deploymentMs) / DAY_MS);
    out[at + R.weight] = weight;
    out[at + R.age_days] = (asOfMs - facts.deploymentMs) / DAY_MS;
    out[at + R.days_to_failure] = seen ? life.failedDay - now : NaN;
    out[at + R.exit_days] = Math.min(life.endDay - now, followed);
    out[at + R.type] = seen ? FAILURE_TYPES.indexOf(life.failureType) : -1;
    out[at + R.abrupt] = seen ? Number(life.abrupt) : NaN;
    out[at + R.batch] = facts.host.batch;
    out[at + R.cage] = facts.host.cage;
    out[at + R.position] = facts.position;
    HORIZON_DAYS.forEach((horizon, index) => {
      out[at + R.true_risk_7d + index] = truth.risk(life, now, horizon);
      out[at + R.hazard_7d + index] = life.hazard(now, now + horizon);
    });
  }

  /** What happened on each of the days before, as far as the exporter tells of it. */
  private recall(index: number, day: number, out: Float64Array, at: number): void {
    const { exporter } = this.options.enrolled[index].board.facts.host;
    const base = index * TALLY_COUNT;
    for (let back = 0; back < day; back++) {
      const [after, before] = [this.days[day - back], this.days[day - back - 1]];
      if (!(after[base + T.days] > before[base + T.days])) continue;
      const to = at + (PERIOD_DAYS - 1 - back) * TALLY_COUNT;
      TALLIES.forEach(([, , group], tally) => {
        if (group === 'always' || exporter[group]) out[to + tally] = after[base + tally] - before[base + tally];
      });
    }
  }

  private tallies(): Float64Array {
    const sums = new Float64Array(this.telemetry.gpus.length * TALLY_COUNT);
    this.telemetry.gpus.forEach(({ tally }, index) => sums.set(tally, index * TALLY_COUNT));
    return sums;
  }

  private sinkOf(gpu: GpuState): SinkGpu {
    let sink = this.sinks.get(gpu);
    if (sink === undefined) this.sinks.set(gpu, (sink = this.builder.gpu(gpu.facts.uuid)));
    return sink;
  }

  private metadataOf(host: HostFacts): SampleMetadata {
    let metadata = this.metadata.get(host);
    if (metadata === undefined) this.metadata.set(host, (metadata = { model: host.model.name, host: host.name }));
    return metadata;
  }
}

/** The simulator sends nothing that is not accepted; if it did, learning from the rest would go unnoticed. */
function refused(...what: unknown[]): never {
  throw new Error(`a reading of the simulator was refused: ${what.join(' ')}`);
}

function join(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
