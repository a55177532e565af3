import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { HeuristicScorer } from '../../models/heuristic.js';
import { Emission } from '../../operators/emission.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { AvroCodec } from '../../schema/avro.js';
import { BatchBuilder } from '../../schema/batch.js';
import { DAY_MS, HOUR_MS, ManualClock } from '../../schema/clock.js';
import { seriesId } from '../../schema/metrics.js';
import { RecycledMemory } from '../../schema/recycled-memory.js';
import { isoTime, type AssetRecord } from '../../schema/records.js';
import { SamplesCodec, toSamplesRecord } from '../../schema/samples.js';
import { validate } from '../configuration.js';
import type { Instruments } from '../instruments.js';
import type { KafkaConnection } from '../kafka/connection.js';
import type { LogRecord } from '../kafka/log.js';
import type { PartitionReader } from '../kafka/partition-reader.js';
import type { Log } from '../roles/role.js';
import { AbsenceNotices } from './absence-notices.js';
import type { Absences } from './absences.js';
import { Answering } from './answering.js';
import { Assessor } from './assess.js';
import { AssetTable } from './asset-table.js';
import { Folding } from './folding.js';
import { ModelsInForce } from './models.js';
import { OwnedPartitions } from './owned-partitions.js';
import { Pace } from './pace.js';
import { PartitionState } from './partition-state.js';
import { SampleAge } from './sample-age.js';
import { SourceEnd } from './source-end.js';
import { StateKeeper, type StateKeeperOptions } from './state-keeper.js';
import { OutputFormat } from './unit.js';
import { UnitMetrics } from './unit-metrics.js';

/**
 * Three years of a fleet whose GPUs are replaced all the time: 75 report, each for five days, so that 5,500 a year are
 * new. After 400 days as many are forgotten as fall silent, and the score role takes no more memory from then on.
 */
const START = Date.UTC(2026, 0, 5);
const YEAR_MS = 365 * DAY_MS;
const STEP_MS = DAY_MS;
const LIFE_MS = 5 * DAY_MS;
const ALIVE = 75;
const BIRTH_MS = LIFE_MS / ALIVE;
const NEW_A_YEAR = YEAR_MS / BIRTH_MS;
/** One in twenty is heard once more so long after its first reading. */
const BACK_AFTER_MS = 200 * DAY_MS;
/** Less than a UUID and its place in a map take: tables that double, and code that is compiled late, stay below it. */
const MOST_GROWTH_BYTES = 96 * NEW_A_YEAR;

const PARTITION = { topic: 'gpu.samples', partition: 0 };
const MODELS = ['NVIDIA H100 80GB HBM3', 'NVIDIA A100-SXM4-80GB', 'Prototype'];
const uuidOf = (gpu: number): string => `GPU-0fa12c3e-0000-4000-8000-${String(gpu).padStart(12, '0')}`;
const bornMs = (gpu: number): number => START + gpu * BIRTH_MS;
/** GPUs that were born from one time on, up to another. */
const bornBetween = (fromMs: number, untilMs: number): number[] => {
  const [first, end] = [fromMs, untilMs].map((ms) => Math.max(0, Math.ceil((ms - START) / BIRTH_MS)));
  return Array.from({ length: end - first }, (_, index) => first + index);
};

const silent = (): undefined => undefined;
const log: Log = { debug: silent, info: silent, warn: silent, error: silent };
const instruments = new Proxy({}, { get: () => silent }) as Instruments;
/** Topics of which nothing is kept. */
const nothing = {
  read: () => Promise.resolve(),
  watermarks: () => Promise.resolve({ low: 0, high: 0 }),
} as unknown as PartitionReader;

/** What the score role is made of, but for its Kafka clients: put together as it does it. */
class ScoreRole {
  readonly clock = new ManualClock(START);
  readonly partitions = new OwnedPartitions(
    () => this.makeState(),
    () => false,
  );
  readonly notices = new AbsenceNotices();
  readonly assets: AssetTable;
  private readonly config = validate({ checkpoint: { intervalMs: 30 * DAY_MS, ringEveryMs: 60 * DAY_MS } });
  private readonly metrics: UnitMetrics;
  private readonly folding: Folding;
  private readonly answering: Answering;
  private offset = 0;

  constructor(readonly codec: AvroCodec) {
    const { config, clock, partitions } = this;
    const pace = new Pace(config.score);
    this.assets = new AssetTable(codec, silent);
    this.metrics = new UnitMetrics({ instruments, clock, partitions, bufferBytes: Infinity, lag: () => 0 });
    this.folding = new Folding({
      ...{ config, clock, instruments, partitions, pace, maxBytes: Infinity },
      absences: this.notices as Pick<Absences, 'place'> as Absences,
      samples: new SamplesCodec(codec),
      format: new OutputFormat(codec, '', config, new RecycledMemory(1 << 20)),
      age: new SampleAge(log),
      sourceEnd: new SourceEnd(),
      putBack: silent,
      endReachedAt: () => 0,
      lag: () => 0,
      isLast: () => false,
    });
    const models = new ModelsInForce(new HeuristicScorer());
    const assessor = new Assessor(config, silent);
    this.answering = new Answering({ partitions, models, assessor, pace, instruments });
    const Keeper = StateKeeper as unknown as new (options: StateKeeperOptions, reader: PartitionReader) => StateKeeper;
    const connection = { topicPrefix: '' } as KafkaConnection;
    partitions.keepBy(
      new Keeper(
        {
          ...{ config, connection, codec, clock, log, warn: silent },
          ...{ makeState: () => this.makeState(), stopping: () => false },
        },
        nothing,
      ),
    );
  }

  /** @returns records that a unit of work of one batch puts out, by topic */
  async unit(value: Buffer): Promise<ReadonlyMap<string, number>> {
    const timestampMs = this.clock.now();
    const record: LogRecord = { ...PARTITION, offset: this.offset++, timestampMs, key: null, value };
    const unit = await this.folding.fold([record]);
    this.metrics.folded(value.length, unit);
    await this.answering.answer(unit);
    this.metrics.answered(unit);
    this.metrics.ended(unit);
    unit.work.release();
    this.metrics.committed(unit);
    return unit.work.counts;
  }

  get state(): PartitionState {
    return this.partitions.of(PARTITION)!.state;
  }

  private makeState(): PartitionState {
    const { config } = this;
    return new PartitionState(
      (listeners) => new WindowStore({ ...config.windows, asset: this.assets.get, ...listeners }),
      {
        scoreEveryMs: config.score.everyMs,
        featuresEveryMs: config.features.everyMs,
        heartbeatMs: config.predictions.heartbeatMs,
        healthEveryMs: config.health.everyMs,
      },
      new Emission(config.predictions.minLogOddsDelta),
      this.metrics.reject,
    );
  }
}

/** What a GPU says at a time. */
function read(builder: BatchBuilder, gpu: number, ms: number): void {
  const step = Math.round((ms - bornMs(gpu)) / STEP_MS);
  const noise = (gpu * 31 + step * 17) % 23;
  const readings: Record<string, number> = {
    ...{ gpu_temp: 50 + noise, memory_temp: 60 + noise, power_usage: 250 + 7 * noise, sm_active: noise * 4 },
    ...{
      sm_clock: 1980 - 15 * noise,
      fb_used: 1000 * noise,
      fb_free: 80_000 - 1000 * noise,
      xid: noise === 3 ? 79 : 0,
    },
    ...{ throttle_reasons: noise > 18 ? 0x40 : 0, ecc_sbe_vol: step, ecc_dbe_agg: 1, pcie_replay: 3 * step },
    ...{ remap_correctable: 2, remap_uncorrectable: 0, remap_failure: 0, energy: 1000 * step },
  };
  if (gpu % 3 === 0) for (let link = 0; link < 4; link++) readings[`nvlink_crc_flit_l${link}`] = step + link;
  builder.from('raw', gpu % 4, step);
  builder.begin(uuidOf(gpu), ms);
  for (const [name, value] of Object.entries(readings)) builder.set(seriesId(name), value);
  builder.describe({ model: MODELS[gpu % MODELS.length], host: `node-${gpu >> 3}` });
  builder.end();
}

function assetOf(gpu: number): AssetRecord {
  return {
    ...{
      gpu_uuid: uuidOf(gpu),
      model: MODELS[gpu % MODELS.length],
      deployment_date: isoTime(bornMs(gpu)).slice(0, 10),
    },
    ...{ purchase_date: null, warranty_end: null, operating_hours: null, operating_hours_at: null },
  };
}

/** Bytes in use, after whatever is garbage was collected. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // What one collection finds dead outside the heap is only freed after it.
  for (let times = 0; times < 3; times++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

it('takes no more memory in the third year than in the second, however many GPUs came and went', async () => {
  const codec = await AvroCodec.open(null, '');
  const role = new ScoreRole(codec);
  await role.partitions.assign([PARTITION], []);
  const used: number[] = [];
  const said = new Map<string, number>();
  for (let ms = START; used.length < 3; ms += STEP_MS) {
    const assetRecords = [
      ...bornBetween(ms, ms + STEP_MS).map((gpu) => ({ gpu, value: codec.encode('assets', assetOf(gpu)) })),
      ...bornBetween(ms - STEP_MS - LIFE_MS, ms - LIFE_MS).map((gpu) => ({ gpu, value: null })),
    ];
    await role.assets.apply(
      assetRecords.map(({ gpu, value }): LogRecord => ({
        ...{ topic: 'gpu.assets', partition: 0, offset: 0, timestampMs: ms },
        ...{ key: Buffer.from(uuidOf(gpu)), value },
      })),
    );
    const builder = new BatchBuilder(256);
    for (const gpu of bornBetween(ms - LIFE_MS, ms + 1)) {
      read(builder, gpu, ms);
      if (gpu % 10 === 0) read(builder, gpu, ms - 3 * HOUR_MS);
    }
    for (const gpu of bornBetween(ms - STEP_MS - BACK_AFTER_MS, ms - BACK_AFTER_MS))
      if (gpu % 20 === 0) read(builder, gpu, ms);
    for (const gpu of bornBetween(ms - STEP_MS - LIFE_MS, ms - LIFE_MS))
      role.notices.take({ gpu_uuid: uuidOf(gpu), newest_reading_at: ms, as_of: ms + 30_000 });
    role.clock.set(ms);
    for (const [topic, count] of await role.unit(codec.encode('samples', toSamplesRecord(builder.build()))))
      said.set(topic, (said.get(topic) ?? 0) + count);
    if (ms + STEP_MS < START + (used.length + 1) * YEAR_MS) continue;
    used.push(usedBytes());
  }
  // All of it was at work.
  for (const topic of ['features', 'predictions', 'health', 'decisions', 'panes'])
    expect(said.get(topic), topic).toBeGreaterThan(3 * NEW_A_YEAR);
  const { remembered, rememberedBytes } = role.state.windows.counts;
  expect(remembered).toBeGreaterThan(NEW_A_YEAR);
  expect(rememberedBytes / remembered).toBeLessThanOrEqual(512);
  expect(used[2] - used[1]).toBeLessThan(MOST_GROWTH_BYTES);
}, 300_000);
