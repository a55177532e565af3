import { MAX_ROWS, RowResults } from '../../operators/window/window.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { BatchBuilder, emptyReadings, type SampleMetadata, type SinkGpu } from '../../schema/batch.js';
import { DAY_MS, MINUTE_MS } from '../../schema/clock.js';
import { FEATURE_COUNT, FEATURES } from '../../schema/features.js';
import { FAILURE_TYPES, type AssetRecord } from '../../schema/records.js';
import type { Enrolled } from '../../simulator/case-cohort.js';
import type { Exporter } from '../../simulator/exporter.js';
import type { GpuState } from '../../simulator/gpu-state.js';
import { assetOf, type HostFacts } from '../../simulator/inventory.js';
import { MOST_READINGS, readingsOf } from '../../simulator/readings.js';
import { T, TALLIES, TALLY_COUNT } from '../../simulator/tally.js';
import { Telemetry } from '../../simulator/telemetry.js';
import { HORIZON_DAYS, type Truth } from '../../simulator/truth.js';
import { R, ROW_WIDTH } from './columns.js';
import { FOLLOW_DAYS, PERIOD_DAYS, ROW_DAYS, type FleetPlan } from './plan.js';
import { Silences, type Fallen } from './silences.js';

/** Features that are published: a prefix of the engine's row. */
export const PUBLISHED = FEATURES.filter(({ set }) => set !== 'internal').map(({ name }) => name);
const MIN_GAP_MS = 5 * MINUTE_MS;
/** Days of telemetry before a silence is a row: shorter windows have none either. */
const LEAST_DAYS = ROW_DAYS[0];
/** A row that is due is taken at the newest reading, as the stream does, unless that is longer ago, in scrapes. */
const RECENT_SCRAPES = 2;

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

/** Rows that were made together. */
type RowBlock = Pick<PeriodRows, 'features' | 'rows' | 'daily'>;

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
  /** Tallies at the end of each day so far, by GPU in the order of enrolment, and who told of them then. */
  private readonly days: Float64Array[] = [];
  private readonly exporters: Exporter[][] = [];
  /** Newest reading at the end of each day so far, epoch ms. */
  private readonly heard: Float64Array[] = [];
  private readonly silences: Silences;
  private readonly indices: ReadonlyMap<GpuState, number>;
  private readonly blocks: RowBlock[] = [];
  private readonly scratch = new Float64Array(FEATURE_COUNT);

  constructor(private readonly options: PeriodOptions) {
    const { plan, beginMs, enrolled, period } = options;
    const { world, seed, cadenceMs } = plan;
    const boards = enrolled.map(({ board }) => board);
    const assets = new Map<string, AssetRecord>(boards.map(({ facts }) => [facts.uuid, assetOf(seed, facts, beginMs)]));
    this.telemetry = new Telemetry({ world, seed, boards, startMs: beginMs, cadenceMs, stream: `/${period}` });
    this.windows = new WindowStore({ gapMs: gapMs(cadenceMs), asset: (uuid) => assets.get(uuid) });
    this.silences = new Silences(boards.length, cadenceMs);
    this.indices = new Map(this.telemetry.gpus.map((gpu, index) => [gpu, index]));
  }

  make(): PeriodRows {
    const { plan, beginMs } = this.options;
    this.endDay();
    for (let day = 1; day <= PERIOD_DAYS; day++) {
      this.run(beginMs + (day - 1) * DAY_MS, beginMs + day * DAY_MS, plan.cadenceMs);
      this.endDay();
      if ((ROW_DAYS as readonly number[]).includes(day)) this.rowsAt(day);
    }
    const joined = (key: keyof RowBlock): Float64Array => join(this.blocks.map((block) => block[key]));
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
      if (its !== tick) {
        this.fold();
        for (const fallen of this.silences.upTo(timeMs)) this.rowOf(fallen);
      }
      tick = its;
      const metadata = this.metadataOf(host);
      for (const gpu of gpus) {
        const fallen = this.silences.heard(this.indices.get(gpu)!, timeMs);
        // Of the tick before at the latest: what it says is in the windows, what this reading says is not.
        if (fallen !== null) this.rowOf(fallen);
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

  /** Rows of all that are in service at the end of a day: of every other GPU at its newest reading, as in the stream. */
  private rowsAt(day: number): void {
    const { beginMs, enrolled, plan } = this.options;
    const dayMs = beginMs + day * DAY_MS;
    const present = enrolled.flatMap((each, index) => {
      const slot = this.windows.find(each.board.facts.uuid);
      return slot >= 0 && each.board.life.endsAtMs > dayMs ? [{ ...each, index, slot }] : [];
    });
    const block = newBlock(present.length);
    present.forEach((each, row) => {
      const newestMs = this.silences.newest(each.index);
      const isRecent = dayMs - newestMs <= RECENT_SCRAPES * plan.cadenceMs;
      const asOfMs = each.index % 2 === 0 && isRecent ? newestMs : dayMs;
      this.fill(each.slot, asOfMs, block, row);
      this.describe(each, asOfMs, null, block.rows, row * ROW_WIDTH);
      this.recall(each.index, day, block.daily, row * PERIOD_DAYS * TALLY_COUNT);
    });
    this.blocks.push(block);
  }

  /** The row of a silence. A board that is taken out of service healthy is expected to be silent: it has none. */
  private rowOf(fallen: Fallen): void {
    const { beginMs, enrolled } = this.options;
    const each = enrolled[fallen.index];
    const { facts, life } = each.board;
    if (fallen.asOfMs < Math.max(beginMs, facts.deploymentMs) + LEAST_DAYS * DAY_MS) return;
    if (life.ms(life.retiredDay) <= fallen.noticedMs) return;
    const block = newBlock(1);
    this.fill(this.windows.find(facts.uuid), fallen.asOfMs, block, 0);
    this.describe(each, fallen.asOfMs, fallen, block.rows, 0);
    this.blocks.push(block);
  }

  private fill(slot: number, asOfMs: number, { features }: RowBlock, row: number): void {
    this.windows.features(slot, asOfMs, this.scratch, 0);
    features.set(this.scratch.subarray(0, PUBLISHED.length), row * PUBLISHED.length);
  }

  private describe(
    { board, weight }: Enrolled,
    asOfMs: number,
    fallen: Fallen | null,
    out: Float64Array,
    at: number,
  ): void {
    const { beginMs, period, truth, numberOf } = this.options;
    const { facts, life } = board;
    const now = life.day(asOfMs);
    const observed = (asOfMs - Math.max(beginMs, facts.deploymentMs)) / DAY_MS;
    const followed = PERIOD_DAYS + FOLLOW_DAYS - (asOfMs - beginMs) / DAY_MS;
    // A board that fell off the bus has failed, which is known when its silence is noticed.
    const isDead = fallen !== null && life.failedAtMs <= fallen.noticedMs;
    const failedDay = isDead ? life.day(fallen.noticedMs) : life.failedDay;
    const seen = life.failureType !== null && failedDay < now + followed;
    out[at + R.gpu] = numberOf(facts.uuid);
    out[at + R.period] = period;
    out[at + R.as_of_days] = asOfMs / DAY_MS;
    out[at + R.absence] = Number(fallen !== null);
    out[at + R.observed_days] = observed;
    out[at + R.weight] = weight;
    out[at + R.age_days] = (asOfMs - facts.deploymentMs) / DAY_MS;
    out[at + R.days_to_failure] = seen ? failedDay - now : NaN;
    out[at + R.exit_days] = Math.min(seen ? failedDay - now : life.endDay - now, followed);
    out[at + R.type] = seen ? FAILURE_TYPES.indexOf(life.failureType) : -1;
    out[at + R.abrupt] = seen ? Number(life.abrupt) : NaN;
    out[at + R.batch] = facts.host.batch;
    out[at + R.cage] = facts.host.cage;
    out[at + R.position] = facts.position;
    HORIZON_DAYS.forEach((horizon, index) => {
      out[at + R.true_risk_7d + index] = isDead ? 1 : truth.risk(life, now, horizon);
      out[at + R.hazard_7d + index] = life.hazard(now, now + horizon);
    });
  }

  /** What happened on each of the days before, as far as the exporter tells of it. */
  private recall(index: number, day: number, out: Float64Array, at: number): void {
    const base = index * TALLY_COUNT;
    for (let back = 0; back < day; back++) {
      const [after, before] = [this.days[day - back], this.days[day - back - 1]];
      if (!(after[base + T.days] > before[base + T.days])) continue;
      // A day of which no reading came tells nothing, and one on which the exporter changed what both exporters send.
      if (!(this.heard[day - back][index] > this.options.beginMs + (day - back - 1) * DAY_MS)) continue;
      const [first, last] = [this.exporters[day - back - 1][index], this.exporters[day - back][index]];
      const to = at + (PERIOD_DAYS - 1 - back) * TALLY_COUNT;
      TALLIES.forEach(([, , group], tally) => {
        if (group === 'always' || (first[group] && last[group]))
          out[to + tally] = after[base + tally] - before[base + tally];
      });
    }
  }

  private endDay(): void {
    const { gpus } = this.telemetry;
    const sums = new Float64Array(gpus.length * TALLY_COUNT);
    gpus.forEach(({ tally }, index) => sums.set(tally, index * TALLY_COUNT));
    this.days.push(sums);
    this.exporters.push(gpus.map(({ exporter }) => exporter));
    this.heard.push(Float64Array.from(gpus, (_, index) => this.silences.newest(index)));
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

function newBlock(count: number): RowBlock {
  return {
    features: new Float64Array(count * PUBLISHED.length),
    rows: new Float64Array(count * ROW_WIDTH),
    daily: new Float64Array(count * PERIOD_DAYS * TALLY_COUNT).fill(NaN),
  };
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
