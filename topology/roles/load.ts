import { setTimeout as delay } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import type { AvroCodec } from '../../schema/avro.js';
import type { Config } from '../../schema/config.js';
import { topicName } from '../../schema/topics.js';
import type { History } from '../../serving/history.js';
import type { EngineMetrics } from '../../serving/metrics.js';
import { DEAD_LETTER_MAX_BYTES } from '../../sinks/dead-letter.js';
import { FencedError, isDataError, TimescaleSink } from '../../sinks/timescale/sink.js';
import { OUTPUT_TABLES } from '../../sinks/timescale/tables.js';
import { Busy } from '../busy.js';
import { DatabaseHistory } from '../history.js';
import { openLog, openSink, type KafkaConnection } from '../kafka/connection.js';
import {
  BEGINNING,
  keyOf,
  lagOf,
  type LogListener,
  type LogRecord,
  type TopicPartition,
  type TopicPartitionOffset,
} from '../kafka/log.js';
import type { RdKafkaLog } from '../kafka/rdkafka-log.js';
import { LoadLetters } from '../load/letters.js';
import { databaseOffsets, LoadedPartition, type DatabaseOffsets } from '../load/partitions.js';
import { Patience } from '../load/patience.js';
import { emptyUnit, RowMaker, type LoadTopic, type LoadUnit } from '../load/rows.js';
import { load } from '../topology.js';
import type { Readiness, Role, RoleContext } from './role.js';

const POLL_RECORDS = 2_000;
const POLL_WAIT_MS = 100;
/** What a cell of a row takes in memory, about. */
const CELL_BYTES = 32;
/** How long a stop lets the database finish what it was given. */
const STOP_PATIENCE_MS = 10_000;

export interface LoadParts {
  readonly role: LoadRole;
  readonly history: History;
  close(): Promise<void>;
}

/** The load role and the database's history, or null where no database is configured. */
export function openLoad(
  config: Config,
  connection: KafkaConnection,
  codec: AvroCodec,
  metrics: EngineMetrics,
  context: RoleContext,
): LoadParts | null {
  const { url } = config.database;
  if (url === null) return null;
  const history = new DatabaseHistory(url);
  return {
    role: new LoadRole({ config, connection, codec, metrics, url }, context),
    history,
    close: () => history.close(),
  };
}

interface LoadDependencies {
  readonly config: Config;
  readonly connection: KafkaConnection;
  readonly codec: AvroCodec;
  readonly metrics: EngineMetrics;
  readonly url: string;
}

/**
 * The load role: records of the engine's topics into the database, each once. Rows and the offsets they were read up
 * to are committed in one database transaction, so the database, not the group, knows where to go on. A database
 * that is down, slow or wrong is waited for, with nothing read meanwhile, and without leaving the group.
 */
export class LoadRole implements Role, LogListener {
  readonly name = 'load';
  private readonly database: TimescaleSink;
  private readonly topics: ReadonlyMap<string, LoadTopic>;
  private readonly owned = new Map<string, LoadedPartition>();
  /** Assigned while the database did not answer: where it has them is still to be asked. */
  private unplaced: TopicPartition[] = [];
  private readonly busy = new Busy();
  private readonly patience: Patience;
  private readonly rows: RowMaker;
  private consumer: RdKafkaLog | undefined;
  private letters: LoadLetters | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopping = false;
  private paused = false;
  private assignedOnce = false;

  constructor(
    private readonly dependencies: LoadDependencies,
    private readonly context: RoleContext,
  ) {
    const { config, connection, codec, metrics, url } = dependencies;
    this.database = new TimescaleSink(url, `gpu-actuary load ${config.instance}`, config.database.timeoutMs);
    this.rows = new RowMaker(codec);
    const keys = Object.keys(OUTPUT_TABLES) as LoadTopic[];
    if (config.load.metrics !== 'off') keys.push('samples');
    this.topics = new Map(keys.map((key) => [topicName(connection.topicPrefix, key), key]));
    this.patience = new Patience({
      troubled: (trouble) => {
        metrics.databaseAway(true);
        context.log.warn({ role: 'load' }, trouble);
      },
      retried: () => metrics.loadRetried(),
      recovered: () => {
        metrics.databaseAway(false);
        context.log.info({ role: 'load' }, 'the database answers again');
      },
      attend: () => this.attend(),
    });
  }

  async start(): Promise<void> {
    const { connection, metrics } = this.dependencies;
    this.letters = new LoadLetters(
      await openSink(connection, 'load', DEAD_LETTER_MAX_BYTES, this.warn),
      topicName(connection.topicPrefix, 'deadLetter'),
      (code, count) => metrics.deadLettered(code, count),
    );
    // Rows take several times what the records did that they are made of.
    const reading = { ...connection, bufferBytes: connection.bufferBytes / 2 };
    this.consumer = openLog(reading, 'load', [...this.topics.keys()], this.warn);
    await this.consumer.start(this);
    this.running = lastValueFrom(this.chain(), { defaultValue: undefined })
      .then(() => undefined, this.context.fail)
      .finally(() => this.busy.endAll());
  }

  readiness(): Readiness {
    const { trouble } = this.patience;
    if (trouble !== null) return { ready: false, detail: trouble, waitsAlone: true };
    return this.assignedOnce
      ? { ready: true, detail: `${this.owned.size} partitions` }
      : { ready: false, detail: 'waiting for partitions' };
  }

  /**
   * Per partition: offsets in the database, where open rows are rebuilt from, and the next one to read; null where the
   * database is still to be asked.
   */
  state(): unknown {
    return Object.fromEntries([
      ...[...this.owned].map(([key, { committed, rebuild, next }]) => [key, { committed, rebuild, next }]),
      ...this.unplaced.map((partition) => [keyOf(partition), null]),
    ]);
  }

  async stop(): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    this.patience.end();
    // What a silent database was given is not waited for: it commits whole or not at all, and is asked at the start.
    const finished = await Promise.race([
      this.running.then(() => true),
      delay(this.patience.trouble === null ? STOP_PATIENCE_MS : 0, false, { ref: false }),
    ]);
    if (!finished) this.database.cut();
    await this.running;
    await this.consumer?.close();
    await this.letters?.close();
    await this.database.close();
  }

  async assigned(partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    this.assignedOnce = true;
    // One attempt: a rebalance waits for this, and other members have databases that answer.
    const known = await this.patience.once(() => this.offsets());
    if (known !== null) return this.place(partitions, known);
    this.unplaced = [...partitions];
    return partitions.map((partition) => ({ ...partition, offset: BEGINNING }));
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    // A unit that waits for the database is given up: its next owner reads it from where the database is.
    this.patience.abandon();
    await this.busy.idle();
    const gone = new Set(partitions.map(keyOf));
    for (const key of gone) this.owned.delete(key);
    this.unplaced = this.unplaced.filter((partition) => !gone.has(keyOf(partition)));
  }

  private chain() {
    return load<readonly LogRecord[], LoadUnit>({
      poll: () => this.poll(),
      toRows: (records) => this.toRows(records),
      copy: (unit) => this.copy(unit),
      commit: (unit) => this.commit(unit),
      settled: () => this.busy.end(),
      stopping: () => this.stopping,
    });
  }

  private async poll(): Promise<readonly LogRecord[]> {
    if (this.unplaced.length > 0) await this.placeLate();
    await this.readOn();
    const records = await this.consumer!.poll(POLL_RECORDS, POLL_WAIT_MS);
    this.busy.begin();
    if (records.length === 0) this.tellLag();
    return records;
  }

  /** Nothing is read while the database is waited for; the group hears from this member all the same. */
  private async attend(): Promise<void> {
    this.paused = true;
    this.consumer!.pause(this.partitions());
    await this.consumer!.attend();
  }

  private async readOn(): Promise<void> {
    if (!this.paused) return;
    this.paused = false;
    // Retention may have gone on for longer than the database was away.
    await this.consumer!.tellGaps(
      [...this.owned.values()].map(({ partition, next }) => ({ ...partition, offset: next })),
    );
    this.consumer!.resume(this.partitions());
  }

  private partitions(): TopicPartition[] {
    return [...[...this.owned.values()].map(({ partition }) => partition), ...this.unplaced];
  }

  private async placeLate(): Promise<void> {
    this.busy.begin();
    try {
      const known = await this.patience.until(() => this.offsets());
      if (known === null) return;
      for (const position of this.place(this.unplaced.splice(0), known)) await this.consumer!.seek(position);
    } finally {
      this.busy.end();
    }
  }

  private offsets(): Promise<DatabaseOffsets> {
    return databaseOffsets((sink) => this.database.offsets(sink));
  }

  /** Takes partitions on. @returns where to read them from */
  private place(partitions: readonly TopicPartition[], known: DatabaseOffsets): TopicPartitionOffset[] {
    const { metrics } = this.dependencies.config.load;
    return partitions.map((partition) => {
      const hasMinutes = this.topics.get(partition.topic) === 'samples' && metrics !== 'off';
      const owned = new LoadedPartition(
        partition,
        known,
        hasMinutes ? (self) => this.rows.minutesOf(self, metrics) : null,
      );
      this.owned.set(keyOf(partition), owned);
      return owned.start;
    });
  }

  private async toRows(records: readonly LogRecord[]): Promise<LoadUnit> {
    const unit = emptyUnit();
    this.rows.begin(unit);
    for (const record of records) {
      const owned = this.owned.get(keyOf(record));
      const topic = this.topics.get(record.topic);
      if (owned === undefined || topic === undefined) continue;
      if (record.offset < owned.next && !this.beginsAnew(owned, record)) continue;
      owned.next = record.offset + 1;
      unit.touched.add(owned);
      await this.rows.add(topic, owned, record);
    }
    this.tellBuffered(records, unit);
    return unit;
  }

  private tellBuffered(records: readonly LogRecord[], { rows }: LoadUnit): void {
    const { connection, metrics } = this.dependencies;
    const read = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    const made = rows.reduce((sum, { cells }) => sum + cells.length * CELL_BYTES, 0);
    metrics.buffered('load', read + made, connection.bufferBytes);
  }

  /**
   * Whether a record below the position begins a topic that was deleted and made anew: its end is below what the
   * database has loaded. Otherwise the record was taken already.
   */
  private beginsAnew(owned: LoadedPartition, { topic, partition, offset }: LogRecord): boolean {
    const end = this.consumer!.endOffset(owned.partition);
    if (end < 0 || end >= owned.committed) return false;
    if (!owned.anew)
      this.context.log.warn(
        { role: 'load', topic, partition, loaded: owned.committed, end },
        'the topic was made anew since it was loaded: loading it from its beginning',
      );
    owned.anew = true;
    owned.written = offset;
    return true;
  }

  /** Rows and offsets in one transaction, for as long as it takes. */
  private async copy(unit: LoadUnit): Promise<LoadUnit> {
    if (unit.touched.size === 0) return unit;
    await this.letters!.undecodable(unit);
    const started = performance.now();
    if ((await this.unlessFenced(() => this.write(unit))) === null) return emptyUnit();
    const counts = new Map<string, number>();
    for (const row of unit.rows) if (!unit.refused.has(row)) counts.set(row.table, (counts.get(row.table) ?? 0) + 1);
    this.dependencies.metrics.loaded(counts, (performance.now() - started) / 1000);
    for (const owned of unit.touched) owned.moved();
    return unit;
  }

  /** One attempt; a row that the database does not take goes to the dead letters, and the others are written. */
  private async write(unit: LoadUnit): Promise<true> {
    const moves = [...unit.touched].flatMap((owned) => owned.moves());
    const rows = unit.rows.filter((row) => !unit.refused.has(row));
    try {
      await this.database.write(rows, moves);
      return true;
    } catch (error) {
      if (!isDataError(error)) throw error;
      const refused = await this.database.refused(rows);
      // Nothing to blame a row for: it will be as wrong the next time, but is not ours to leave out.
      if (refused.length === 0) throw error;
      await this.letters!.refused(refused);
      for (const { row } of refused) unit.refused.add(row);
      return this.write(unit);
    }
  }

  /** Another loader has written the same partitions: goes on from where the database is. Null then. */
  private async unlessFenced(work: () => Promise<true>): Promise<true | null> {
    try {
      return await this.patience.until(work);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      this.dependencies.metrics.loadFenced();
      this.context.log.warn({ role: 'load' }, `${error.message}: reading on from the database's offsets`);
      this.unplaced = this.partitions();
      this.owned.clear();
      return null;
    }
  }

  /** The group's offsets, for lag monitors alone. */
  private async commit(unit: LoadUnit): Promise<void> {
    if (unit.touched.size === 0) return;
    await this.consumer!.commit(
      [...unit.touched].map(({ partition, committed }) => ({ ...partition, offset: committed })),
    );
    this.tellLag();
  }

  private tellLag(): void {
    const positions = [...this.owned.values()].map(({ partition, next }) => ({ ...partition, offset: next }));
    this.dependencies.metrics.lag('load', lagOf(this.consumer!, positions));
  }

  private readonly warn = (message: string): void => {
    this.dependencies.metrics.clientWarning('load');
    this.context.log.warn({ role: 'load' }, message);
  };
}
