import { setTimeout as delay } from 'node:timers/promises';
import { lastValueFrom, type Observable } from 'rxjs';
import { Emission } from '../../operators/emission.js';
import type { Scorer } from '../../models/scorer.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { DecodeError, type AvroCodec } from '../../schema/avro.js';
import type { SampleBatch } from '../../schema/batch.js';
import type { Clock } from '../../schema/clock.js';
import type { Config } from '../../schema/config.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import { SamplesCodec } from '../../schema/samples.js';
import { Turn } from '../../schema/turn.js';
import { topicName } from '../../schema/topics.js';
import { DEAD_LETTER_MAX_BYTES, messageLetter } from '../../sinks/dead-letter.js';
import { RejectionCounter, type Instruments } from '../instruments.js';
import { placeBytes } from '../kafka/buffers.js';
import { commitIntervals } from '../kafka/commit-intervals.js';
import { openLog, openWriter, type KafkaConnection } from '../kafka/connection.js';
import {
  BEGINNING,
  keyOf,
  lagOf,
  type LogListener,
  type LogRecord,
  type TopicPartition,
  type TopicPartitionOffset,
} from '../kafka/log.js';
import type { OffsetGap } from '../kafka/offset-gap.js';
import type { RdKafkaLog } from '../kafka/rdkafka-log.js';
import { TableReader } from '../kafka/table-reader.js';
import { UnitTransactions, type InTransaction } from '../kafka/unit-transactions.js';
import type { UnitWriter } from '../kafka/unit-writer.js';
import { Busy } from '../busy.js';
import { score } from '../topology.js';
import { Absences } from '../score/absences.js';
import { Assessor } from '../score/assess.js';
import { AssetTable } from '../score/asset-table.js';
import { Drain, type DrainProgress } from '../score/draining.js';
import { ModelBudget } from '../score/model-budget.js';
import type { ModelsInForce } from '../score/models.js';
import { describe, shareRestored, type Owned, type PartitionStates } from '../score/owned.js';
import { SourceEnd, madeAnew } from '../score/source-end.js';
import { PartitionState } from '../score/partition-state.js';
import { StateKeeper } from '../score/state-keeper.js';
import { ThreadLoad } from '../score/thread-load.js';
import { SampleAge } from '../score/sample-age.js';
import { OutputFormat, UnitOfWork } from '../score/unit.js';
import type { Readiness, Role, RoleContext } from './role.js';

const POLL_WAIT_MS = 50;
/** Rows that are assessed before the event loop is looked after: some ms if all of them are worth records, explained. */
const ASSESSED_ROWS = 16;
/** A batch that waited longer than this in gpu.samples was not scored at once: the role is behind. */
const BEHIND_MS = 1_000;
/** What a row takes until the model has seen it, and what may be said of it then. */
const ROW_BYTES = 8 * FEATURE_COUNT + 1_024;
/**
 * Of `score.everyMs`: so long by the wall clock a GPU needs no new answer where time is short. In a fleet that is kept
 * up with a GPU is due half as often at most; who catches up meets its due points many times as fast.
 */
const REST_SHARE = 0.5;
/** Whoever asks for the state waits no longer than this for the end of a unit of work. */
const ANSWER_WITHIN_MS = 5_000;

export interface ScoreDependencies {
  readonly config: Config;
  readonly connection: KafkaConnection;
  readonly codec: AvroCodec;
  readonly models: ModelsInForce;
  readonly instruments: Instruments;
  readonly clock: Clock;
}

interface Unit extends InTransaction {
  readonly work: UnitOfWork;
  readonly offsets: TopicPartitionOffset[];
  readonly samples: number;
  readonly rows: number;
  readonly skipped: number;
  /** Longest that a due GPU has waited for the model. */
  readonly waitedMs: number;
  readonly oldestMs: number;
  /** Event time of the newest sample, epoch ms. */
  readonly newestMs: number;
  readonly startedMs: number;
  modelSeconds: number;
  /** Closes all open panes: nothing comes after it. */
  readonly isLast: boolean;
}

/**
 * The score role: gpu.samples in; features, predictions, health, decisions and panes out. One unit of work takes a
 * poll of batches through all stages; its outputs and its offsets are one transaction.
 */
export class ScoreRole implements Role, LogListener {
  readonly name = 'score';
  private readonly owned = new Map<string, Owned>();
  private readonly samples: SamplesCodec;
  private readonly assets: AssetTable;
  private readonly assessor: Assessor;
  private readonly rejections = new RejectionCounter();
  private readonly format: OutputFormat;
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
  private readonly sourceEnd = new SourceEnd();
  /** Counts assignments and revocations. */
  private assignments = 0;
  /** Batches that were read and did not go into the last unit, whose outputs became too many; of which assignment. */
  private leftOver: { readonly records: readonly LogRecord[]; readonly assignments: number } = {
    records: [],
    assignments: 0,
  };
  /** Assignment that the last records gathered were read under. */
  private gatheredUnder = 0;
  /** Of what is read for a unit of work, and likewise of what it puts out. */
  private readonly maxUnitBytes: number;
  /** Outputs of units that are not committed yet. */
  private outputBytes = 0;
  private running: Promise<void> = Promise.resolve();
  private readonly busy = new Busy();
  private stopping = false;
  /** Nothing is folded any more, or not yet. */
  private isOver = true;
  private readonly askedForState: ((states: PartitionStates) => void)[] = [];
  private assignedOnce = false;
  private partitionCount = 0;
  private draining: Drain | undefined;
  private readonly age: SampleAge;
  /** The newest batch read had waited in gpu.samples for longer than it should. */
  private behind = false;
  private readonly load = new ThreadLoad();
  private readonly budget = new ModelBudget();
  private lastUnitMs = Infinity;

  constructor(
    private readonly dependencies: ScoreDependencies,
    private readonly context: RoleContext,
  ) {
    const { config, codec } = dependencies;
    this.maxUnitBytes = placeBytes(dependencies.connection.bufferBytes);
    this.samples = new SamplesCodec(codec);
    this.format = new OutputFormat(codec, dependencies.connection.topicPrefix, config);
    this.assets = new AssetTable(codec, (record, error) =>
      context.log.warn({ topic: record.topic, offset: record.offset, code: error.code }, 'asset record left out'),
    );
    this.age = new SampleAge(context.log);
    this.assessor = new Assessor(config, (model) =>
      context.log.warn(
        { model, profile: config.decisions.profile },
        'no price of this model: its GPUs get no decision',
      ),
    );
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
    }
    await this.consumer.start(this);
    this.isOver = false;
    this.running = lastValueFrom(this.chain(), { defaultValue: undefined })
      .then(() => undefined, this.context.fail)
      .finally(() => {
        this.busy.endAll();
        this.isOver = true;
        return this.answerState();
      });
  }

  readiness(): Readiness {
    const restoring = (share: number): Readiness => ({
      ready: false,
      detail: `restoring windows: ${Math.floor(100 * share)} %`,
    });
    const share = this.keeper?.share ?? NaN;
    if (!Number.isNaN(share)) return restoring(share);
    if (!this.assignedOnce) return { ready: false, detail: 'waiting for partitions' };
    const restored = shareRestored(this.owned.values());
    if (restored < 1) return restoring(restored);
    return { ready: true, detail: `${this.owned.size} partitions` };
  }

  /**
   * By partition: the next offset of the source, and a digest of the state as of it (state-digest.ts). Computed between
   * two units of work. Without the digest while partitions are being restored, for nothing is worked on until then, and
   * where no unit comes to its end for long, as while the broker is away.
   */
  state(): Promise<PartitionStates> {
    const isRestoring = !Number.isNaN(this.keeper?.share ?? NaN);
    if (isRestoring || this.isOver) return describe(this.owned.values(), !isRestoring);
    return new Promise((resolve, reject) => {
      this.askedForState.push(resolve);
      const answerLate = async (): Promise<void> => {
        await delay(ANSWER_WITHIN_MS, undefined, { ref: false });
        const index = this.askedForState.indexOf(resolve);
        if (index < 0) return;
        this.askedForState.splice(index, 1);
        resolve(await describe(this.owned.values(), false));
      };
      answerLate().catch(reject);
    });
  }

  /** Tells the state to those who asked for it. Nothing is being folded. */
  private async answerState(): Promise<void> {
    const asked = this.askedForState.splice(0);
    if (asked.length === 0) return;
    const states = await describe(this.owned.values(), true);
    for (const resolve of asked) resolve(states);
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
    return this.draining?.progress(this.owned.size) ?? null;
  }

  async stop(): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    this.transactions.cancel();
    await this.running;
    if (this.owned.size > 0)
      this.context.log.info(
        { role: 'score', partitions: await describe(this.owned.values(), true) },
        'state at the end',
      );
    await this.consumer?.close();
    await this.keeper?.close();
    await this.assetReader?.close();
    await this.absences?.close();
    await this.writer?.close();
  }

  async assigned(
    partitions: readonly TopicPartition[],
    committed: readonly TopicPartitionOffset[],
  ): Promise<readonly TopicPartitionOffset[]> {
    this.assignments++;
    for (const partition of partitions) this.owned.delete(keyOf(partition));
    const done = new Map(committed.map((position) => [keyOf(position), position.offset]));
    const kept = await this.keeper?.restore(partitions, committed);
    // Told to stop meanwhile: of what is not owned, nothing is worked on.
    if (this.stopping) return [];
    for (const partition of partitions) {
      const key = keyOf(partition);
      const one = kept?.get(key) ?? null;
      const start = one?.offset ?? 0;
      this.owned.set(key, {
        partition,
        state: one?.state ?? this.makeState(),
        kept: one,
        mutedUntil: done.get(key) ?? 0,
        start,
        next: start,
      });
      one?.cameTo(start);
    }
    this.assignedOnce = true;
    this.context.log.info(
      { role: 'score', partitions: partitions.map(({ partition }) => partition) },
      'partitions assigned',
    );
    // Without a checkpoint, windows are rebuilt from as much of the log as there is.
    return partitions.map((partition) => ({
      ...partition,
      offset: kept?.get(keyOf(partition))?.offset ?? BEGINNING,
    }));
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
      this.rejections.reject,
    );
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.busy.idle();
    this.assignments++;
    for (const partition of partitions) this.owned.delete(keyOf(partition));
    this.context.log.info(
      { role: 'score', partitions: partitions.map(({ partition }) => partition) },
      'partitions revoked',
    );
  }

  private chain(): Observable<void> {
    return score<readonly LogRecord[], Unit>({
      poll: async () => {
        await this.transactions.recover();
        await this.answerState();
        const records = await this.gather();
        this.busy.begin();
        // From here on nothing is revoked before the unit is done; in the moment before it may have been.
        return this.gatheredUnder === this.assignments ? records : [];
      },
      fold: (records) => this.fold(records),
      score: (unit) => this.score(unit),
      publish: (unit) => this.publish(unit),
      commit: (unit) => this.commit(unit),
      settled: () => this.busy.end(),
      stopping: () => this.stopping,
    });
  }

  /** Polls until there is enough for a transaction, or the commit interval is over. */
  private async gather(): Promise<LogRecord[]> {
    const { score, kafka } = this.dependencies.config;
    const { commitIntervalMs, catchUpCommitIntervalMs } = commitIntervals(
      this.dependencies.connection.guarantee,
      kafka,
    );
    const intervalMs = this.behind ? catchUpCommitIntervalMs : commitIntervalMs;
    let records: LogRecord[] = this.takeLeftOver();
    let bytes = bytesOf(records);
    let until = Infinity;
    this.gatheredUnder = this.assignments;
    for (;;) {
      if (records.length >= score.maxBatches || bytes >= this.maxUnitBytes) return records;
      const { assignments } = this;
      const waitMs = Math.min(POLL_WAIT_MS, Math.max(0, until - performance.now()));
      const polled = await this.consumer!.poll(score.maxBatches - records.length, waitMs);
      // What was read under another assignment is read again by whoever has the partition now.
      if (assignments !== this.assignments) records = [];
      // The assignment may have come while the poll waited: what it returns is of that one.
      this.gatheredUnder = this.assignments;
      for (const record of polled) records.push(record);
      bytes = bytesOf(records);
      if (records.length === 0) return records;
      if (until === Infinity) until = performance.now() + intervalMs;
      if (this.stopping || performance.now() >= until) return records;
    }
  }

  private takeLeftOver(): LogRecord[] {
    const { records, assignments } = this.leftOver;
    this.leftOver = { records: [], assignments: 0 };
    return assignments === this.assignments ? [...records] : [];
  }

  /** Decodes batches and folds them into the windows; collects what is due. */
  private async fold(records: readonly LogRecord[]): Promise<Unit> {
    const { clock, config } = this.dependencies;
    const startedMs = clock.now();
    const work = new UnitOfWork(this.format, startedMs);
    const offsets = new Map<string, TopicPartitionOffset>();
    const turn = new Turn();
    const { isHigh, isShort } = this.shortage();
    const isLoaded = config.score.adaptive && isShort;
    const restMs = config.score.adaptive && isHigh ? config.score.everyMs * REST_SHARE : 0;
    let samples = 0;
    let skipped = 0;
    let oldestMs = NaN;
    let newestMs = NaN;
    for (const [index, record] of records.entries()) {
      // An hour's end makes many times as much of a batch as any other moment: the rest is the next unit's.
      if (work.bytes + this.rowBytes() >= this.maxUnitBytes) {
        this.leftOver = { records: records.slice(index), assignments: this.assignments };
        break;
      }
      const owned = this.owned.get(keyOf(record));
      if (owned === undefined) continue;
      const muted = record.offset < owned.mutedUntil;
      // Retention may have taken what these were said at.
      if (!muted) owned.kept?.cameTo(record.offset);
      owned.next = record.offset + 1;
      const batch = await this.decode(record, work, muted);
      const ageMs = startedMs - record.timestampMs;
      this.age.watch(ageMs);
      this.behind = ageMs > BEHIND_MS;
      if (batch !== null) {
        samples += batch.count;
        const lastMs = batch.eventTimeMs[batch.count - 1];
        if (!(newestMs >= lastMs)) newestMs = lastMs;
        const defer = isLoaded || (config.score.adaptive && this.behind);
        skipped += owned.state.fold(batch, work, { muted, defer, restMs, nowMs: startedMs });
      }
      if (muted) owned.kept?.cameTo(owned.next);
      // The loop answers HTTP and timers too: no unit keeps it for long.
      if (turn.isOver()) await turn.next();
      if (muted) continue;
      if (!(oldestMs <= record.timestampMs)) oldestMs = record.timestampMs;
      offsets.set(keyOf(record), { ...owned.partition, offset: owned.next });
    }
    if (records.length === 0)
      this.sourceEnd.look(
        this.owned.values(),
        (partition) => this.consumer!.endReachedAt(partition),
        performance.now(),
      );
    if (records.length === 0) {
      if (this.behind) this.behind = this.lag() > 0;
      this.dependencies.instruments.lag('score', this.lag());
    }
    const isLast =
      records.length === 0 &&
      (this.draining?.isDue(this.owned, (partition) => this.consumer!.endReachedAt(partition)) ?? false);
    const elapsedMs = (isLoaded || restMs > 0 || this.behind) && !isLast ? startedMs - this.lastUnitMs : Infinity;
    this.lastUnitMs = startedMs;
    this.absences!.place(this.owned.values(), !Number.isNaN(this.keeper?.share ?? NaN));
    let rows = 0;
    let waitedMs = 0;
    for (const [key, { partition, state, mutedUntil, next }] of this.owned) {
      if (isLast) state.closeOpenPanes(work);
      if (state.waiting > 0 && next >= mutedUntil) {
        waitedMs = Math.max(waitedMs, startedMs - state.waitingSinceMs);
        const most = isLast ? Infinity : Math.ceil((this.maxUnitBytes - work.bytes) / ROW_BYTES) - rows;
        state.serveWaiting(elapsedMs, config.score.maxStalenessMs, startedMs, Math.max(0, most));
      }
      rows += state.rows.count;
      // A partition that speaks proves by its offset that it is still this instance's.
      if ((state.rows.count > 0 && next >= mutedUntil) || isLast) offsets.set(key, { ...partition, offset: next });
    }
    this.tellBuffered(bytesOf(records), work);
    return {
      work,
      offsets: [...offsets.values()],
      samples,
      rows,
      skipped,
      waitedMs,
      oldestMs,
      newestMs,
      startedMs,
      modelSeconds: 0,
      isLast,
      isVoid: false,
    };
  }

  /** Whether the thread is near its limit, and the model is what is to be saved on. */
  private shortage(): { readonly isHigh: boolean; readonly isShort: boolean } {
    // Both are asked each time: they reckon from one look to the next.
    const [isHigh, isSpent] = [this.load.isHigh(), this.budget.isSpent()];
    return { isHigh, isShort: isHigh && isSpent };
  }

  private async decode(record: LogRecord, work: UnitOfWork, muted: boolean): Promise<SampleBatch | null> {
    if (record.value === null) return null;
    try {
      return await this.samples.decode(record.value);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      if (muted) return null;
      work.letters.push(
        messageLetter(this.format.topic('deadLetter'), record, record.key, record.value, error.code, error.message),
      );
      this.dependencies.instruments.deadLettered(error.code, 1);
      return null;
    }
  }

  /** Asks the model about all rows and turns its answers into records. */
  private async score(unit: Unit): Promise<Unit> {
    const started = performance.now();
    const turn = new Turn();
    // One model a unit: another one begins between two of them.
    const scorer = this.dependencies.models.take();
    for (const { state } of this.owned.values()) {
      const { rows } = state;
      if (rows.count === 0) continue;
      const predictions = await scorer.score(rows);
      for (let from = 0; from < rows.count; from += ASSESSED_ROWS) {
        const until = Math.min(rows.count, from + ASSESSED_ROWS);
        this.dependencies.instruments.undecided(
          this.assessor.assess(state, scorer, predictions, from, until, unit.work),
        );
        if (turn.isOver()) await turn.next();
      }
      state.settle();
    }
    await this.keep(unit, scorer);
    this.outputBytes += unit.work.bytes;
    const usedMs = performance.now() - started;
    this.budget.spend(usedMs);
    unit.modelSeconds = usedMs / 1000;
    return unit;
  }

  /** Adds to a unit what is to be known of the states after it. */
  private async keep({ work, offsets, isLast }: Unit, scorer: Scorer): Promise<void> {
    for (const position of offsets) {
      const kept = this.owned.get(keyOf(position))?.kept;
      if (kept) work.keep(await this.keeper!.records(kept, position, scorer, isLast));
    }
  }

  /** Writes, and waits for the acknowledgement. */
  private async publish(unit: Unit): Promise<Unit> {
    const { work, offsets } = unit;
    if (offsets.length > 0)
      await this.transactions.step(unit, () => this.writer!.write([...work.records, ...work.letters], work.cuts));
    return unit;
  }

  private async commit(unit: Unit): Promise<void> {
    const { offsets } = unit;
    this.outputBytes -= unit.work.bytes;
    if (offsets.length > 0) {
      if (!(await this.transactions.step(unit, () => this.writer!.commit(offsets)))) return;
      this.transactions.succeeded();
      if (unit.isLast) this.draining!.finish();
    }
    this.tell(unit);
  }

  /** Tells what a unit came to, now that it is committed. */
  private tell(unit: Unit): void {
    const { clock, instruments } = this.dependencies;
    for (const [topic, count] of unit.work.counts) instruments.recordsWritten(topic, count);
    if (unit.samples === 0) return;
    this.rejections.flush((reason, count) => instruments.readingsRejected(reason, count));
    if (unit.work.lateSamples > 0) instruments.deadLettered('late', unit.work.lateSamples);
    const now = clock.now();
    instruments.scored({
      samples: unit.samples,
      rows: unit.rows,
      skippedDuePoints: unit.skipped,
      longestWaitSeconds: unit.waitedMs / 1000,
      modelSeconds: unit.modelSeconds,
      unitSeconds: (now - unit.startedMs) / 1000,
      newestMs: unit.newestMs,
      latencySeconds: (now - unit.oldestMs) / 1000,
    });
    let gpus = 0;
    let bytes = 0;
    for (const { state } of this.owned.values()) {
      gpus += state.windows.size;
      bytes += state.windows.bytes;
    }
    instruments.gpusTracked(gpus, bytes);
    instruments.lag('score', this.lag());
  }

  /** What rows on their way to the model take. */
  private rowBytes(): number {
    let rows = 0;
    for (const { state } of this.owned.values()) rows += state.rows.count;
    return rows * ROW_BYTES;
  }

  private tellBuffered(readBytes: number, work: UnitOfWork): void {
    const { connection, instruments } = this.dependencies;
    instruments.buffered('score', readBytes + this.rowBytes() + work.bytes + this.outputBytes, connection.bufferBytes);
  }

  /** Records between what was read and the ends of the owned partitions. */
  private lag(): number {
    return lagOf(
      this.consumer!,
      [...this.owned.values()].map(({ partition, next }) => ({ ...partition, offset: next })),
    );
  }

  private readonly warn = (message: string): void => {
    this.dependencies.instruments.clientWarning('score');
    this.context.log.warn({ role: 'score' }, message);
  };
}

function bytesOf(records: readonly LogRecord[]): number {
  return records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
}
