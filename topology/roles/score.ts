import { lastValueFrom, type Observable } from 'rxjs';
import { Emission } from '../../operators/emission.js';
import { WindowStore } from '../../operators/window/window-store.js';
import type { AvroCodec } from '../../schema/avro.js';
import type { Clock } from '../../schema/clock.js';
import type { Config } from '../../schema/config.js';
import { RecycledMemory } from '../../schema/recycled-memory.js';
import { SamplesCodec } from '../../schema/samples.js';
import { topicName } from '../../schema/topics.js';
import { DEAD_LETTER_MAX_BYTES } from '../../sinks/dead-letter.js';
import type { Instruments } from '../instruments.js';
import { placeBytes } from '../kafka/buffers.js';
import { commitIntervals } from '../kafka/commit-intervals.js';
import { openLog, openWriter, type KafkaConnection } from '../kafka/connection.js';
import {
  lagOf,
  type LogListener,
  type LogRecord,
  type TopicPartition,
  type TopicPartitionOffset,
} from '../kafka/log.js';
import type { OffsetGap } from '../kafka/offset-gap.js';
import type { RdKafkaLog } from '../kafka/rdkafka-log.js';
import { TableReader } from '../kafka/table-reader.js';
import { UnitTransactions } from '../kafka/unit-transactions.js';
import type { UnitWriter } from '../kafka/unit-writer.js';
import { Busy } from '../busy.js';
import { score } from '../topology.js';
import { Absences } from '../score/absences.js';
import { Answering } from '../score/answering.js';
import { Assessor } from '../score/assess.js';
import { AssetTable } from '../score/asset-table.js';
import { Drain, type DrainProgress } from '../score/draining.js';
import { Folding, type ScoreUnit } from '../score/folding.js';
import { bytesOf, Gathering } from '../score/gathering.js';
import type { ModelsInForce } from '../score/models.js';
import type { PartitionStates } from '../score/owned.js';
import { OwnedPartitions } from '../score/owned-partitions.js';
import { Pace } from '../score/pace.js';
import { PartitionState } from '../score/partition-state.js';
import { SampleAge } from '../score/sample-age.js';
import { SourceEnd, madeAnew } from '../score/source-end.js';
import { StateAnswers } from '../score/state-answers.js';
import { StateKeeper } from '../score/state-keeper.js';
import { OutputFormat } from '../score/unit.js';
import { UnitMetrics } from '../score/unit-metrics.js';
import type { Readiness, Role, RoleContext } from './role.js';

export interface ScoreDependencies {
  readonly config: Config;
  readonly connection: KafkaConnection;
  readonly codec: AvroCodec;
  readonly models: ModelsInForce;
  readonly instruments: Instruments;
  readonly clock: Clock;
}

/**
 * The score role: gpu.samples in; features, predictions, health, decisions and panes out. One unit of work takes a
 * poll of batches through all stages; its outputs and its offsets are one transaction.
 */
export class ScoreRole implements Role, LogListener {
  readonly name = 'score';
  private readonly partitions = new OwnedPartitions(
    () => this.makeState(),
    () => this.stopping,
  );
  private readonly assets: AssetTable;
  private readonly metrics: UnitMetrics;
  private readonly pace: Pace;
  private readonly gathering: Gathering;
  private readonly answering: Answering;
  private readonly stateAnswers = new StateAnswers((withDigest) => this.partitions.describe(withDigest));
  private assetReader: TableReader | undefined;
  private absences: Absences | undefined;
  private keeper: StateKeeper | undefined;
  private writer: UnitWriter | undefined;
  private consumer: RdKafkaLog | undefined;
  private readonly transactions = new UnitTransactions({
    reopen: () => this.writer!.reopen(),
    restart: () => this.consumer!.restart(),
    warn: (message) => {
      this.dependencies.instruments.clientWarning('score');
      this.context.log.warn({ role: 'score', code: 'transaction_failed' }, message);
    },
  });
  /** Of what is read for a unit of work, and likewise of what it puts out. */
  private readonly maxUnitBytes: number;
  private running: Promise<void> = Promise.resolve();
  private readonly busy = new Busy();
  private stopping = false;
  /** Nothing is folded any more, or not yet. */
  private isOver = true;
  private partitionCount = 0;
  private draining: Drain | undefined;

  constructor(
    private readonly dependencies: ScoreDependencies,
    private readonly context: RoleContext,
  ) {
    const { config, codec, connection, models, instruments, clock } = dependencies;
    const { partitions } = this;
    this.maxUnitBytes = placeBytes(connection.bufferBytes);
    this.assets = new AssetTable(codec, (record, error) =>
      context.log.warn({ topic: record.topic, offset: record.offset, code: error.code }, 'asset record left out'),
    );
    this.pace = new Pace(config.score);
    this.gathering = new Gathering({
      poll: (max, waitMs) => this.consumer!.poll(max, waitMs),
      maxRecords: config.score.maxBatches,
      maxBytes: this.maxUnitBytes,
      stopping: () => this.stopping,
    });
    const assessor = new Assessor(config, (model) =>
      context.log.warn(
        { model, profile: config.decisions.profile },
        'no price of this model: its GPUs get no decision',
      ),
    );
    this.answering = new Answering({ partitions, models, assessor, pace: this.pace, instruments });
    this.metrics = new UnitMetrics({
      ...{ instruments, clock, partitions, bufferBytes: connection.bufferBytes },
      lag: () => this.lag(),
    });
  }

  async start(): Promise<void> {
    const { connection } = this.dependencies;
    const onGap = (role: string, gap: OffsetGap): void => {
      connection.onGap?.(role, gap);
      if (gap.cause === 'anew') throw madeAnew({ ...gap, offset: gap.from });
    };
    const reading = { ...connection, onGap };
    this.consumer = openLog(reading, 'score', [topicName(connection.topicPrefix, 'samples')], this.warn);
    this.writer = await openWriter(
      connection,
      'score',
      'score',
      DEAD_LETTER_MAX_BYTES,
      this.consumer,
      this.warn,
      () => this.stopping,
    );
    this.context.log.info({ role: 'score' }, `outputs are written ${connection.guarantee}`);
    for (const topic of ['panes', 'checkpoints'] as const)
      await this.writer.partitions(topicName(connection.topicPrefix, topic));
    this.partitionCount = await this.writer.partitions(topicName(connection.topicPrefix, 'samples'));
    // Assets first, to their end: the first sample already finds its GPU's record.
    this.assetReader = new TableReader(
      connection,
      'score-assets',
      [topicName(connection.topicPrefix, 'assets')],
      this.warn,
    );
    await this.assetReader.start(this.assets.apply, this.context.fail);
    this.absences = new Absences(connection, this.warn);
    await this.absences.start(this.context.fail);
    // The in-process cluster forgets all when the process ends, and holds less than a checkpoint.
    if (!connection.embedded) {
      const { config, codec, clock } = this.dependencies;
      this.keeper = await StateKeeper.open({
        config,
        connection,
        codec,
        clock,
        log: this.context.log,
        warn: this.warn,
        makeState: () => this.makeState(),
        stopping: () => this.stopping,
      });
      this.partitions.keepBy(this.keeper);
    }
    await this.consumer.start(this);
    this.isOver = false;
    this.running = lastValueFrom(this.chain(this.folding(this.consumer, this.absences)), { defaultValue: undefined })
      .then(() => undefined, this.context.fail)
      .finally(() => {
        this.busy.endAll();
        this.isOver = true;
        return this.stateAnswers.answer();
      });
  }

  readiness(): Readiness {
    return this.partitions.readiness();
  }

  /**
   * By partition: the next offset of the source, and a digest of the state as of it (state-digest.ts). Computed between
   * two units of work. Without the digest while partitions are being restored, for nothing is worked on until then, and
   * where no unit comes to its end for long, as while the broker is away.
   */
  state(): Promise<PartitionStates> {
    const { isRestoring } = this.partitions;
    if (isRestoring || this.isOver) return this.partitions.describe(!isRestoring);
    return this.stateAnswers.ask();
  }

  /**
   * Reads to the end of gpu.samples, then closes the open panes too and writes everything down; nothing is read after
   * that. Goes on whether or not all partitions are here yet.
   */
  drain(): Promise<void> {
    this.draining ??= new Drain(this.partitionCount);
    return this.draining.over;
  }

  /** Where {@link drain} stands; null where it was not asked for. */
  drainProgress(): DrainProgress | null {
    return this.draining?.progress(this.partitions.size) ?? null;
  }

  async stop(): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    this.transactions.cancel();
    await this.running;
    if (this.partitions.size > 0)
      this.context.log.info({ role: 'score', partitions: await this.partitions.describe(true) }, 'state at the end');
    await this.consumer?.close();
    const parts = [this.keeper, this.assetReader, this.absences, this.writer];
    await Promise.all(parts.map(async (part) => part?.close()));
  }

  async assigned(
    partitions: readonly TopicPartition[],
    committed: readonly TopicPartitionOffset[],
  ): Promise<readonly TopicPartitionOffset[]> {
    this.gathering.forget();
    const starts = await this.partitions.assign(partitions, committed);
    if (!this.stopping) this.logChange('partitions assigned', partitions);
    return starts;
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.busy.idle();
    this.gathering.forget();
    this.partitions.release(partitions);
    this.logChange('partitions revoked', partitions);
  }

  private logChange(message: string, partitions: readonly TopicPartition[]): void {
    this.context.log.info({ role: 'score', partitions: partitions.map(({ partition }) => partition) }, message);
  }

  private makeState(): PartitionState {
    const { config } = this.dependencies;
    return new PartitionState(
      (listeners) =>
        new WindowStore({
          gapMs: config.windows.gapMs,
          featureSet: config.windows.featureSet,
          asset: this.assets.get,
          ...listeners,
        }),
      {
        scoreEveryMs: config.score.everyMs,
        featuresEveryMs: config.features.everyMs,
        heartbeatMs: config.predictions.heartbeatMs,
        healthEveryMs: config.health.everyMs,
      },
      new Emission(config.predictions.minLogOddsDelta, config.predictions.emit === 'always'),
      this.metrics.reject,
    );
  }

  private folding(consumer: RdKafkaLog, absences: Absences): Folding {
    const { config, codec, connection, clock, instruments } = this.dependencies;
    const endReachedAt = (partition: TopicPartition): number => consumer.endReachedAt(partition);
    const memory = new RecycledMemory(placeBytes(connection.bufferBytes));
    return new Folding({
      ...{ config, clock, instruments, absences, endReachedAt },
      ...{ partitions: this.partitions, pace: this.pace, maxBytes: this.maxUnitBytes },
      samples: new SamplesCodec(codec),
      format: new OutputFormat(codec, connection.topicPrefix, config, memory),
      age: new SampleAge(this.context.log),
      sourceEnd: new SourceEnd(),
      putBack: (records) => this.gathering.putBack(records),
      lag: () => this.lag(),
      isLast: () => this.draining?.isDue(this.partitions, endReachedAt) ?? false,
    });
  }

  private chain(folding: Folding): Observable<void> {
    return score<readonly LogRecord[], ScoreUnit>({
      poll: () => this.poll(),
      // Decodes batches and folds them into the windows; collects what is due.
      fold: async (records) => {
        const unit = await folding.fold(records);
        this.metrics.folded(bytesOf(records), unit);
        return unit;
      },
      // Asks the model about all rows and turns its answers into records.
      score: async (unit) => {
        await this.answering.answer(unit);
        this.metrics.answered(unit);
        return unit;
      },
      publish: (unit) => this.publish(unit),
      commit: (unit) => this.commit(unit),
      settled: () => this.busy.end(),
      stopping: () => this.stopping,
    });
  }

  private async poll(): Promise<readonly LogRecord[]> {
    const { connection, config } = this.dependencies;
    await this.transactions.recover();
    await this.stateAnswers.answer();
    const { commitIntervalMs, catchUpCommitIntervalMs } = commitIntervals(connection.guarantee, config.kafka);
    await this.gathering.gather(this.pace.isBehind ? catchUpCommitIntervalMs : commitIntervalMs);
    // From here on nothing is revoked before the unit is done; what was in the moment before is gathered no more.
    this.busy.begin();
    return this.gathering.take();
  }

  /** Writes, and waits for the acknowledgement. */
  private async publish(unit: ScoreUnit): Promise<ScoreUnit> {
    const { work, offsets } = unit;
    if (offsets.length > 0)
      await this.transactions.step(unit, () => this.writer!.write([...work.records, ...work.letters], work.cuts));
    return unit;
  }

  private async commit(unit: ScoreUnit): Promise<void> {
    const { offsets } = unit;
    this.metrics.ended(unit);
    if (offsets.length > 0) {
      if (!(await this.transactions.step(unit, () => this.writer!.commit(offsets)))) return;
      this.transactions.succeeded();
      unit.work.release();
      if (unit.isLast) this.draining!.finish();
    }
    this.metrics.committed(unit);
  }

  /** Records between what was read and the ends of the owned partitions. */
  private lag(): number {
    return lagOf(this.consumer!, this.partitions.positions());
  }

  private readonly warn = (message: string): void => {
    this.dependencies.instruments.clientWarning('score');
    this.context.log.warn({ role: 'score' }, message);
  };
}
