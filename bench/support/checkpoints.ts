import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Emission } from '../../operators/emission.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { AvroCodec } from '../../schema/avro.js';
import { BatchBuilder } from '../../schema/batch.js';
import { HOUR_MS, MINUTE_MS } from '../../schema/clock.js';
import { S, SERIES, type Series } from '../../schema/metrics.js';
import { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { topicName } from '../../schema/topics.js';
import type { KafkaSink, OutputRecord } from '../../sinks/kafka.js';
import { RING_GPUS } from '../../topology/score/checkpoint-format.js';
import { CheckpointWriter, MOST_RINGS, NO_CHECKPOINT } from '../../topology/score/checkpoint-writer.js';
import { PartitionState } from '../../topology/score/partition-state.js';
import { digestOf } from '../../topology/score/state-digest.js';
import { randomOf } from '../fleet.js';
import { START_MS, WINDOW_HOURS } from './prepare.js';

/** Hours that are in gpu.panes alone: what an engine with the default checkpoint.ringEveryMs has at most. */
export const PANE_HOURS = 4;
/** When the windows that are written down end: their open hour begins here. */
export const OPEN_MS = START_MS + (WINDOW_HOURS + PANE_HOURS) * HOUR_MS;
/** GPUs that are folded; the others' state is theirs under another name. */
const TEMPLATES = 16;
const READ_EVERY_MS = 10 * MINUTE_MS;
const WINDOWS = { featureSet: 'v2', gapMs: 300_000 } as const;
const SCHEDULE = {
  ...{ scoreEveryMs: 10_000, featuresEveryMs: 900_000 },
  ...{ heartbeatMs: 3_600_000, healthEveryMs: 900_000 },
};
const NEVER_MS = 1e15;

/** A GPU's state as it is written down. */
interface Written {
  readonly record: Buffer;
  readonly openHour: number;
  readonly ring: Buffer;
}

/** What it took to write the state of a partition down. */
export interface CheckpointCost {
  readonly records: number;
  readonly bytes: number;
  /** Of a cut with as many rings as one takes: how long it took, and the longest that the event loop was kept, ms. */
  readonly cutMs: number;
  readonly cutPauseMs: number;
  /** The same of the digest of all of the state. */
  readonly digestMs: number;
  readonly digestPauseMs: number;
}

/** Seven full days of every metric, counter and link there is. */
export class FilledFleet {
  private readonly atRings: Written[];
  private readonly atCut: Written[];
  private readonly panes: Record<string, unknown>[] = [];

  private constructor(private readonly codec: AvroCodec) {
    const state = this.makeState((pane) => this.panes.push(pane));
    const random = randomOf(3);
    const until = (ms: number, from: number): void => {
      for (let at = from; at < ms; at += READ_EVERY_MS)
        state.fold(readings(at, random), UNHEARD, { muted: false, defer: false, restMs: 0, nowMs: 0 });
      state.settle();
    };
    const ringsMs = OPEN_MS - PANE_HOURS * HOUR_MS;
    until(ringsMs + READ_EVERY_MS, START_MS);
    this.atRings = write(state);
    this.panes.length = 0;
    until(OPEN_MS + READ_EVERY_MS, ringsMs + READ_EVERY_MS);
    this.atCut = write(state);
  }

  static async make(topicPrefix: string): Promise<FilledFleet> {
    return new FilledFleet(await AvroCodec.open(null, topicPrefix));
  }

  /**
   * Writes what an engine has written down of a partition: rings, panes closed since, and a cut.
   * @param offset next of the source at the cut
   */
  async write(
    sink: KafkaSink,
    topicPrefix: string,
    partition: number,
    gpus: readonly string[],
    offset: number,
  ): Promise<CheckpointCost> {
    const topic = topicName(topicPrefix, 'checkpoints');
    const writer = new CheckpointWriter(
      { topic, partition, windows: WINDOWS, intervalMs: 1, ringEveryMs: NEVER_MS },
      NO_CHECKPOINT,
      0,
    );
    const newest = new Map<string, OutputRecord>();
    const keep = (records: readonly OutputRecord[]): void => {
      for (const record of records) newest.set(record.key!, record);
    };
    let state = this.stateOf(gpus, this.atRings);
    const cost = await pausesOf(async () => keep(await writer.cut(state, offset, 0, 0)));
    for (let cuts = 1; cuts < Math.ceil(gpus.length / (MOST_RINGS * RING_GPUS)); cuts++)
      keep(await writer.cut(state, offset, 0, 0));
    state = this.stateOf(gpus, this.atCut);
    keep(await writer.cut(state, offset, 0, 0));
    const digest = await pausesOf(() => digestOf(state));
    await sink.write(newest.values());
    await this.writePanes(sink, topicName(topicPrefix, 'panes'), partition, gpus);
    await sink.flush();
    return {
      records: newest.size,
      bytes: [...newest.values()].reduce((sum, { value }) => sum + value!.length, 0),
      cutMs: cost.ms,
      cutPauseMs: cost.pauseMs,
      digestMs: digest.ms,
      digestPauseMs: digest.pauseMs,
    };
  }

  private async writePanes(sink: KafkaSink, topic: string, partition: number, gpus: readonly string[]): Promise<void> {
    for (let hour = 0; hour < PANE_HOURS; hour++)
      await sink.write(
        gpus.map((gpu, index) => {
          const pane = this.panes[hour * TEMPLATES + (index % TEMPLATES)];
          return { topic, partition, key: gpu, value: this.codec.encode('panes', { ...pane, gpu_uuid: gpu }) };
        }),
      );
  }

  private stateOf(gpus: readonly string[], templates: readonly Written[]): PartitionState {
    const state = this.makeState(() => undefined);
    for (const [index, gpu] of gpus.entries()) {
      const { record, openHour, ring } = templates[index % TEMPLATES];
      state.snapshot.decodeRing(state.decode(gpu, new ByteReader(record)), openHour, new ByteReader(ring));
    }
    return state;
  }

  private makeState(onPane: (pane: Record<string, unknown>) => void): PartitionState {
    return new PartitionState(
      (listeners) =>
        new WindowStore({
          ...WINDOWS,
          ...{ asset: () => undefined, onFreed: listeners.onFreed },
          onPaneClosed: ({ hourStartMs, samples, aggregates }) =>
            onPane({ hour_start: hourStartMs, samples, ...aggregates }),
        }),
      SCHEDULE,
      new Emission(0.1),
      () => undefined,
    );
  }
}

const UNHEARD = { pane: () => undefined, features: () => undefined, late: () => undefined };

/** A reading of every series there is of each template. */
function readings(ms: number, random: () => number): ReturnType<BatchBuilder['build']> {
  const builder = new BatchBuilder(TEMPLATES);
  for (let gpu = 0; gpu < TEMPLATES; gpu++) {
    builder.begin(`GPU-${gpu}`, ms);
    for (const series of SERIES) builder.set(series.id, valueOf(series, ms, random));
    builder.describe({ model: 'NVIDIA H100 80GB HBM3', host: `node-${gpu >> 3}` });
    builder.end();
  }
  return builder.build();
}

/** Levels go up and down. Every error counter and link goes on twice a day: a fleet sicker than any. */
function valueOf({ id, kind, max }: Series, ms: number, random: () => number): number {
  const halfDays = Math.floor((ms - START_MS) / (12 * HOUR_MS));
  if (id === S.throttleReasons) return random() < 0.1 ? 0x40 : 0;
  if (id === S.remapFailure) return 0;
  if (kind === 'latch') return halfDays % 2 === 0 ? 0 : 63;
  if (kind === 'counter') return halfDays;
  return Math.round((0.5 + 0.5 * random()) * Math.min(max, 100));
}

function write(state: PartitionState): Written[] {
  const writer = new ByteWriter();
  return [...state.snapshot.slots.values()].map((slot) => {
    state.encode(slot, writer);
    const record = writer.take();
    state.snapshot.encodeRing(slot, writer);
    return { record, openHour: state.snapshot.openHour(slot), ring: writer.take() };
  });
}

/** How long work took, and the longest that nothing else had its turn meanwhile, ms. */
async function pausesOf(work: () => Promise<unknown>): Promise<{ ms: number; pauseMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  // What was collected before is no pause of the work.
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.enable();
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.reset();
  const started = performance.now();
  await work();
  const ms = performance.now() - started;
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.disable();
  return { ms, pauseMs: delay.max / 1e6 };
}
