import type { Scorer } from '../../models/scorer.js';
import type { AvroCodec } from '../../schema/avro.js';
import type { Clock } from '../../schema/clock.js';
import type { Config } from '../../schema/config.js';
import { ActuaryError } from '../../schema/errors.js';
import { topicName } from '../../schema/topics.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import type { KafkaConnection, Warn } from '../kafka/connection.js';
import { keyOf, type TopicPartition, type TopicPartitionOffset } from '../kafka/log.js';
import { PartitionReader } from '../kafka/partition-reader.js';
import type { Log } from '../roles/role.js';
import { CheckpointWriter } from './checkpoint-writer.js';
import type { Delta } from './checkpoint-format.js';
import { ModelMarks } from './model-record.js';
import type { PartitionState } from './partition-state.js';
import { restore } from './restore.js';

/** Between two lines of the log that say how far restoring is, ms. */
const PROGRESS_EVERY_MS = 3_000;

export interface StateKeeperOptions {
  readonly config: Config;
  readonly connection: KafkaConnection;
  readonly codec: AvroCodec;
  readonly clock: Clock;
  readonly log: Log;
  readonly warn: Warn;
  readonly makeState: () => PartitionState;
  readonly stopping: () => boolean;
}

/** Records by which the state of a partition is known after a unit of work. */
export interface Kept {
  /** What was said in it; null where nothing was. */
  readonly delta: OutputRecord | null;
  /** All of the state, where that was due. */
  readonly cut: readonly OutputRecord[];
  /** From where on another model answers; null where it is the one before. */
  readonly model: OutputRecord | null;
}

/** The state of a partition, and how it is kept. */
export class KeptState {
  private nextDelta = 0;

  /** @param offset of the source from which the state is to be brought up to date; undefined: from the beginning */
  constructor(
    readonly state: PartitionState,
    readonly offset: number | undefined,
    private readonly deltas: readonly Delta[],
    readonly writer: CheckpointWriter,
    readonly models: ModelMarks,
  ) {}

  /** Applies what was said in units of work up to an offset, now that the windows are as of it. */
  cameTo(offset: number): void {
    for (; this.nextDelta < this.deltas.length; this.nextDelta++) {
      const delta = this.deltas[this.nextDelta];
      if (delta.offset > offset) return;
      for (let gpus = delta.gpus; gpus > 0; gpus--) this.state.applySaid(delta.reader);
    }
  }
}

/** Brings states back when partitions are assigned, and writes them down as they change. */
export class StateKeeper {
  private readonly checkpoints: string;
  private readonly panes: string;
  private readonly samples: string;
  /** Share of the restoring under way that is done; NaN when there is none. */
  share = NaN;

  private constructor(
    private readonly options: StateKeeperOptions,
    private readonly reader: PartitionReader,
  ) {
    const { topicPrefix } = options.connection;
    this.checkpoints = topicName(topicPrefix, 'checkpoints');
    this.panes = topicName(topicPrefix, 'panes');
    this.samples = topicName(topicPrefix, 'samples');
  }

  /** @throws ActuaryError kafka_unreachable */
  static async open(options: StateKeeperOptions): Promise<StateKeeper> {
    return new StateKeeper(options, await PartitionReader.open(options.connection, 'score-restore', options.warn));
  }

  /**
   * States of partitions that were assigned, by key; none if it was told to stop.
   * @param committed what the group has committed of them
   * @throws ActuaryError kafka_failed, state_newer
   */
  async restore(
    partitions: readonly TopicPartition[],
    committed: readonly TopicPartitionOffset[],
  ): Promise<Map<string, KeptState>> {
    const { config, codec, clock, log, makeState, stopping } = this.options;
    const kept = new Map<string, KeptState>();
    const committedOf = (partition: TopicPartition): number =>
      committed.find((position) => keyOf(position) === keyOf(partition))?.offset ?? 0;
    const startedMs = clock.now();
    let saidMs = startedMs;
    try {
      for (const [index, partition] of partitions.entries()) {
        const restored = await restore({
          reader: this.reader,
          codec,
          checkpoints: this.checkpoints,
          panes: this.panes,
          samples: this.samples,
          partition: partition.partition,
          committed: committedOf(partition),
          windows: config.windows,
          makeState,
          log,
          stopping,
          progress: (share) => {
            this.share = (index + share) / partitions.length;
            if (clock.now() - saidMs < PROGRESS_EVERY_MS) return;
            saidMs = clock.now();
            log.info({ role: 'score', percent: Math.floor(100 * this.share) }, 'restoring windows');
          },
        });
        if (stopping()) return new Map();
        const writer = new CheckpointWriter(
          {
            topic: this.checkpoints,
            partition: partition.partition,
            windows: config.windows,
            ...config.checkpoint,
          },
          restored.position,
          clock.now(),
        );
        const models = new ModelMarks(this.checkpoints, partition.partition, restored.model, committedOf(partition));
        kept.set(keyOf(partition), new KeptState(restored.state, restored.offset, restored.deltas, writer, models));
      }
      const gpus = [...kept.values()].reduce((sum, { state }) => sum + state.windows.size, 0);
      log.info({ role: 'score', gpus, ms: clock.now() - startedMs }, 'windows restored');
      return kept;
    } finally {
      this.share = NaN;
    }
  }

  /**
   * What is to be written with a unit of work after which the state is as of an offset.
   * @param scorer the model that answered in it
   * @param isLast the unit did what reading the source again would not do: a cut is due whatever the time
   * @throws ActuaryError kafka_failed where the last cut cannot be written
   */
  async records(
    { state, writer, models }: KeptState,
    { partition, offset }: TopicPartitionOffset,
    scorer: Scorer,
    isLast: boolean,
  ): Promise<Kept> {
    const delta = writer.delta(state, offset);
    const model = models.answered(scorer, offset);
    if (model !== null) {
      const { fromOffset, modelVersion, runId } = models.newest!;
      const fields = { role: 'score', partition, fromOffset, model: modelVersion, run_id: runId };
      this.options.log.info(fields, 'another model answers from here on');
    }
    if (!isLast && !writer.isDue(offset, this.options.clock.now())) return { delta, cut: [], model };
    try {
      const { high } = await this.reader.watermarks({ topic: this.panes, partition });
      return { delta, cut: await writer.cut(state, offset, high, this.options.clock.now()), model };
    } catch (error) {
      if (isLast || !(error instanceof ActuaryError)) throw error;
      this.options.warn(`no checkpoint now, the next unit of work tries again: ${error.message}`);
      return { delta, cut: [], model };
    }
  }

  close(): Promise<void> {
    return this.reader.close();
  }
}
