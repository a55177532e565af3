import { beforeAll, describe, expect, it } from 'vitest';
import type { Message } from 'node-rdkafka';
import type { Schedule } from '../../operators/due.js';
import { Emission } from '../../operators/emission.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { AvroCodec } from '../../schema/avro.js';
import { BatchBuilder, type SampleBatch } from '../../schema/batch.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import { S } from '../../schema/metrics.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import type { WindowConfiguration } from './checkpoint-format.js';
import { CheckpointWriter, NO_CHECKPOINT, type CheckpointPosition } from './checkpoint-writer.js';
import { ModelMarks } from './model-record.js';
import { PartitionState, type FoldSink } from './partition-state.js';
import { restore, type Restored } from './restore.js';
import { STATE_VERSION } from './state-chunk.js';
import { digestOf } from './state-digest.js';
import { KeptState } from './state-keeper.js';

const START = Date.UTC(2026, 0, 5);
const MINUTE = 60_000;
const CHECKPOINTS = 'gpu.checkpoints';
const PANES = 'gpu.panes';
const INTERVAL_MS = 60_000;
const WINDOWS: WindowConfiguration = { featureSet: 'v2', gapMs: 300_000 };
const SCHEDULE: Schedule = {
  ...{ scoreEveryMs: 10_000, featuresEveryMs: 900_000 },
  ...{ heartbeatMs: 3_600_000, healthEveryMs: 900_000 },
};

/** Fifty GPUs, every ten minutes; some come later, some fall silent. */
function batchAt(offset: number): SampleBatch {
  const builder = new BatchBuilder();
  const ms = START + offset * 10 * MINUTE;
  for (let gpu = 0; gpu < 50; gpu++) {
    if (gpu % 7 === 3 && offset < 9) continue;
    if (gpu % 11 === 5 && offset > 20) continue;
    const noise = (gpu * 31 + offset * 17) % 23;
    builder.begin(`GPU-${gpu}`, ms + gpu);
    builder.set(S.gpuTemp, 50 + noise);
    builder.set(S.powerUsage, 250 + 7 * noise);
    builder.set(S.smActive, noise * 4);
    if (gpu % 5 === 0) builder.set(S.nvlinkFirst + 1, offset * noise);
    builder.describe({ model: 'NVIDIA H100 PCIe', host: `host-${gpu % 4}` });
    builder.end();
  }
  return builder.build();
}

/** Topics of one partition, in memory. */
class Topics {
  constructor(readonly records: { topic: string; key: string; value: Buffer }[] = []) {}

  write(records: readonly OutputRecord[]): void {
    for (const { topic, key, value } of records) this.records.push({ topic, key: key!, value: value! });
  }

  readonly reader = {
    read: async (
      { topic, offset }: { topic: string; offset: number },
      apply: (messages: readonly Message[], share: number) => Promise<void>,
    ): Promise<void> => {
      const all = this.records.filter((record) => record.topic === topic);
      await apply(
        all.slice(offset).map(({ key, value }) => ({ key, value }) as unknown as Message),
        1,
      );
    },
  };

  get panesEnd(): number {
    return this.records.filter(({ topic }) => topic === PANES).length;
  }

  damage(key: string): void {
    for (const record of this.records)
      if (record.key === key) {
        record.value = Buffer.from(record.value);
        record.value[record.value.length >> 1] ^= 1;
      }
  }
}

/** What the score role does with a partition, without a broker and a model. */
class Engine {
  state!: PartitionState;
  writer!: CheckpointWriter;
  position!: CheckpointPosition;
  warnings: string[] = [];
  nowMs = START;

  constructor(
    private readonly topics: Topics,
    private readonly codec: AvroCodec,
    /** Its number says when in the interval cuts are due. */
    private readonly partition = 0,
    private readonly windows: WindowConfiguration = WINDOWS,
    private readonly schedule = SCHEDULE,
  ) {}

  /** @returns offset from which it goes on */
  async start(committed: number): Promise<number> {
    this.nowMs += 1;
    const warn = (_fields: object, message: string): number => this.warnings.push(message);
    const restored: Restored = await restore({
      reader: this.topics.reader,
      codec: this.codec,
      checkpoints: CHECKPOINTS,
      panes: PANES,
      samples: 'gpu.samples',
      partition: this.partition,
      committed,
      windows: this.windows,
      makeState: () => makeState(this.windows.gapMs, this.schedule),
      log: { debug: warn, info: warn, warn, error: warn },
      progress: () => undefined,
      stopping: () => false,
    });
    this.state = restored.state;
    this.position = restored.position;
    this.writer = new CheckpointWriter(
      {
        ...{ topic: CHECKPOINTS, partition: this.partition, windows: this.windows },
        ...{ intervalMs: INTERVAL_MS, ringEveryMs: 3 * INTERVAL_MS },
      },
      restored.position,
      this.nowMs,
    );
    const marks = new ModelMarks(CHECKPOINTS, this.partition, restored.model, committed);
    const kept = new KeptState(restored.state, restored.offset, restored.deltas, this.writer, marks);
    const from = restored.offset ?? 0;
    kept.cameTo(from);
    for (let offset = from; offset < committed; offset++) {
      this.state.fold(batchAt(offset), ignored, { muted: true, defer: false, restMs: 0, nowMs: this.nowMs });
      kept.cameTo(offset + 1);
    }
    return from;
  }

  /** @param defer who is due waits; a few have their turn */
  async unit(offset: number, defer = false): Promise<void> {
    const { state, topics, codec } = this;
    const panes: OutputRecord[] = [];
    const sink: FoldSink = {
      ...ignored,
      pane: (windows, pane) => {
        const gpu_uuid = windows.uuidOf(pane.slot);
        const record = { gpu_uuid, hour_start: pane.hourStartMs, samples: pane.samples, ...pane.aggregates };
        panes.push({ topic: PANES, partition: null, key: gpu_uuid, value: codec.encode('panes', record) });
      },
    };
    state.fold(batchAt(offset), sink, { muted: false, defer, restMs: 0, nowMs: this.nowMs });
    if (state.waiting > 0) state.serveWaiting(defer ? 1 : Infinity, 10, this.nowMs);
    const { rows, emission } = state;
    for (let row = 0; row < rows.count; row++) {
      const risk = ((rows.slot[row] + offset) % 13) / 100 + 0.01;
      emission.prediction(rows.slot[row], rows.due[row], risk, risk * 2, risk * 3, row % 3, 1);
      emission.health(rows.slot[row], rows.due[row], risk > 0.08 ? 'fair' : 'good');
    }
    state.settle();
    this.nowMs += INTERVAL_MS / 4;
    const delta = this.writer.delta(state, offset + 1);
    const end = topics.panesEnd;
    const cut = this.writer.isDue(offset + 1, this.nowMs)
      ? await this.writer.cut(state, offset + 1, end, this.nowMs)
      : [];
    topics.write([...panes, ...(delta === null ? [] : [delta]), ...cut]);
  }
}

/** What a batch makes due, by GPU. */
function dueIn({ state, nowMs }: Engine, offset: number): [string, number][] {
  state.fold(batchAt(offset), ignored, { muted: false, defer: false, restMs: 0, nowMs });
  const { rows, windows } = state;
  const due = Array.from({ length: rows.count }, (_, row): [string, number] => [
    windows.uuidOf(rows.slot[row]),
    rows.due[row],
  ]);
  state.settle();
  return due;
}

const ignored: FoldSink = { pane: () => undefined, features: () => undefined, late: () => undefined };

const makeState = (gapMs: number, schedule: Schedule): PartitionState =>
  new PartitionState(
    (listeners) => new WindowStore({ gapMs, featureSet: 'v2', asset: () => undefined, ...listeners }),
    schedule,
    new Emission(0.1),
    () => undefined,
  );

describe('the state of a partition', () => {
  const UNITS = 60;
  let codec: AvroCodec;
  const whole: string[] = [];
  const wholeTopics = new Topics();
  /** How many records there were before each unit. */
  const recordsBefore: number[] = [];

  beforeAll(async () => {
    codec = await AvroCodec.open(null, '');
    const engine = new Engine(wholeTopics, codec);
    await engine.start(0);
    for (let offset = 0; offset < UNITS; offset++) {
      recordsBefore.push(wholeTopics.records.length);
      await engine.unit(offset);
      whole.push(await digestOf(engine.state));
    }
  }, 60_000);

  /** The topics as they are after so many units that nothing happened to. */
  const ranFor = (units: number): Topics =>
    new Topics(wholeTopics.records.slice(0, recordsBefore[units]).map((record) => ({ ...record })));

  it('is the same after a restart at any unit of work, and again after all that follows', async () => {
    for (const stops of [[1], [5], [17, 18, 40], [23, 29, 31, 37], [59]]) {
      const topics = ranFor(stops[0]);
      let engine!: Engine;
      for (let offset = stops[0]; offset < UNITS; offset++) {
        if (stops.includes(offset)) {
          engine = new Engine(topics, codec);
          const from = await engine.start(offset);
          if (offset > 10) expect(from).toBeGreaterThan(offset - 6);
          expect([offset, await digestOf(engine.state)]).toEqual([offset, whole[offset - 1]]);
        }
        await engine.unit(offset);
      }
      expect(await digestOf(engine.state)).toBe(whole[UNITS - 1]);
      expect(engine.warnings.filter((warning) => warning.includes('damaged'))).toEqual([]);
    }
  });

  it('is the same after a restart before its first cut, what was said included', async () => {
    for (const stop of [1, 2, 3]) {
      const topics = new Topics();
      const before = new Engine(topics, codec, 11);
      await before.start(0);
      for (let offset = 0; offset < stop; offset++) await before.unit(offset);
      expect(topics.records.some(({ key }) => key.startsWith('cut'))).toBe(false);
      const engine = new Engine(topics, codec, 11);
      await engine.start(stop);
      expect(await digestOf(engine.state)).toBe(whole[stop - 1]);
      expect(engine.warnings).toEqual(['no checkpoint yet: windows are rebuilt from gpu.samples']);
    }
  });

  it('is due for a cut by the deltas since the last one, however many processes have written them', async () => {
    const topics = new Topics();
    const deltasSinceCut: number[] = [];
    for (let offset = 0; offset < 3; offset++) {
      const engine = new Engine(topics, codec, 11);
      await engine.start(offset);
      await engine.unit(offset);
      const { sequence, sequenceOfCut } = engine.position;
      deltasSinceCut.push(sequence - sequenceOfCut);
    }
    expect(deltasSinceCut).toEqual([0, 1, 2]);
    const options = { topic: CHECKPOINTS, partition: 11, windows: WINDOWS, intervalMs: 1e9, ringEveryMs: 1e9 };
    const position = { ...NO_CHECKPOINT, sequence: 2_100 };
    expect(new CheckpointWriter(options, position, START).isDue(9, START)).toBe(true);
    expect(new CheckpointWriter(options, { ...position, sequenceOfCut: 2_000 }, START).isDue(9, START)).toBe(false);
  });

  const damagedAfter = (units: number, kind: string): Engine => {
    const topics = ranFor(units);
    topics.damage(topics.records.findLast(({ topic, key }) => topic === CHECKPOINTS && key.startsWith(kind))!.key);
    return new Engine(topics, codec);
  };
  const consequences = (engine: Engine): Set<string> =>
    new Set(engine.warnings.filter((warning) => warning.includes('damaged')).map((warning) => warning.split(': ')[1]));

  it.each([
    ['cut', 'the checkpoint before is used'],
    ['hot', 'the checkpoint before is used'],
    ['ring', 'its GPUs take their closed hours from an older record and gpu.panes'],
  ])('is whole where the newest %s is damaged, and what is done instead is said', async (kind, consequence) => {
    const engine = damagedAfter(40, kind);
    expect(await engine.start(40)).toBeGreaterThan(20);
    expect(consequences(engine)).toEqual(new Set([consequence]));
    expect(await digestOf(engine.state)).toBe(whole[39]);
  });

  it('lacks only what was said last where that is damaged: it says so, and windows are those of an undamaged one', async () => {
    const [engine, undamaged] = [damagedAfter(40, 'delta'), new Engine(ranFor(40), codec)];
    expect(await engine.start(40)).toBe(await undamaged.start(40));
    expect(consequences(engine)).toEqual(
      new Set(['what was said then is not known, so predictions and health of some GPUs may come once more']),
    );
    const featuresOf = ({ state: { windows } }: Engine): Float64Array[] =>
      Array.from({ length: 50 }, (_, gpu) => {
        const row = new Float64Array(FEATURE_COUNT);
        windows.features(windows.find(`GPU-${gpu}`), START + 400 * MINUTE, row, 0);
        return row;
      });
    expect(featuresOf(engine)).toEqual(featuresOf(undamaged));
  });

  it('is never taken from beyond what is committed, then or later', async () => {
    for (const committed of [35, 36, 37, 38]) {
      const topics = ranFor(40);
      for (let from = committed; from < UNITS; from += 2) {
        const engine = new Engine(topics, codec);
        expect(await engine.start(from)).toBeLessThanOrEqual(from);
        expect([from, await digestOf(engine.state)]).toEqual([from, whole[from - 1]]);
        for (let offset = from; offset < Math.min(UNITS, from + 2); offset++) await engine.unit(offset);
      }
    }
  });

  it('of another configuration of windows is not gone on with, which is said, until one of its own was written', async () => {
    const gap = { ...WINDOWS, gapMs: 60_000 };
    const topics = ranFor(40);
    const engine = new Engine(topics, codec, 0, gap);
    expect(await engine.start(40)).toBe(0);
    expect(engine.warnings.filter((warning) => warning.includes('another configuration'))).toHaveLength(2);
    expect(engine.warnings.some((warning) => warning.includes('rebuilt from the closed hours'))).toBe(true);
    for (let offset = 40; offset < 50; offset++) await engine.unit(offset);
    const next = new Engine(topics, codec, 0, gap);
    expect(await next.start(50)).toBeGreaterThan(40);
    expect(await digestOf(next.state)).toBe(await digestOf(engine.state));
  });

  it('is due by the schedule in force, whatever the one was that it was written under', async () => {
    const schedule = { scoreEveryMs: 7_200_000, featuresEveryMs: 60_000, heartbeatMs: 600_000, healthEveryMs: 1e7 };
    const topics = ranFor(40);
    const restored = new Engine(topics, codec, 0, WINDOWS, schedule);
    expect(await restored.start(40)).toBeGreaterThan(30);
    const whole = new Engine(new Topics(), codec, 0, WINDOWS, schedule);
    await whole.start(0);
    for (let offset = 0; offset < 40; offset++) await whole.unit(offset);
    for (let offset = 40; offset < UNITS; offset++)
      expect([offset, dueIn(restored, offset)]).toEqual([offset, dueIn(whole, offset)]);
  });

  it('knows who waits for the model after a restart, for what, and in which order', async () => {
    const isBehind = (offset: number): boolean => offset % 20 > 3;
    const whole = new Engine(new Topics(), codec);
    await whole.start(0);
    const topics = new Topics();
    let engine = new Engine(topics, codec);
    await engine.start(0);
    let most = 0;
    for (let offset = 0; offset < UNITS; offset++) {
      if (offset > 0 && offset % 3 === 0) {
        engine = new Engine(topics, codec);
        await engine.start(offset);
        engine.nowMs = whole.nowMs;
        expect([offset, engine.state.waiting]).toEqual([offset, whole.state.waiting]);
        expect([offset, engine.state.waitingSinceMs]).toEqual([offset, whole.state.waitingSinceMs]);
        expect(await digestOf(engine.state)).toBe(await digestOf(whole.state));
      }
      await whole.unit(offset, isBehind(offset));
      await engine.unit(offset, isBehind(offset));
      most = Math.max(most, whole.state.waiting);
    }
    expect(most).toBeGreaterThan(20);
    expect(await digestOf(engine.state)).toBe(await digestOf(whole.state));
  });

  it('of a later version is refused', async () => {
    const topics = ranFor(20);
    for (const record of topics.records)
      if (record.topic === CHECKPOINTS) {
        record.value = Buffer.from(record.value);
        record.value[2] = STATE_VERSION + 1;
      }
    await expect(new Engine(topics, codec).start(20)).rejects.toThrow(`version ${STATE_VERSION + 1}`);
  });
});
