import { lastValueFrom } from 'rxjs';
import type { AvroCodec } from '../../schema/avro.js';
import { DecodeError } from '../../schema/avro.js';
import type { Config } from '../../schema/config.js';
import { messageOf } from '../../schema/errors.js';
import { fromSamplesRecord } from '../../schema/samples.js';
import { topicName } from '../../schema/topics.js';
import type { History } from '../../serving/history.js';
import type { EngineMetrics } from '../../serving/metrics.js';
import { DEAD_LETTER_MAX_BYTES, messageLetter } from '../../sinks/dead-letter.js';
import type { KafkaSink } from '../../sinks/kafka.js';
import { METRIC_COLUMNS, MinuteRows, ROW_MS } from '../../sinks/timescale/minute-rows.js';
import { FencedError, isDataError, TimescaleSink, type OffsetMove, type Row } from '../../sinks/timescale/sink.js';
import { OUTPUT_TABLES, UPSERT_KEYS, type LoadedTopic, type Table } from '../../sinks/timescale/tables.js';
import { Busy } from '../busy.js';
import { DatabaseHistory } from '../history.js';
import { openLog, openSink, type KafkaConnection } from '../kafka/connection.js';
import {
  BEGINNING,
  keyOf,
  type LogConsumer,
  type LogListener,
  type LogRecord,
  type TopicPartition,
  type TopicPartitionOffset,
} from '../kafka/log.js';
import { load } from '../topology.js';
import { Backoff } from '../backoff.js';
import type { Readiness, Role, RoleContext } from './role.js';

const POLL_RECORDS = 2_000;
const POLL_WAIT_MS = 100;
/** A database that is away for hours must not cost the group membership. */
const MAX_POLL_INTERVAL_MS = 12 * 3_600_000;
/** Names in sink_offsets: output rows; minute rows; and where their open minutes are rebuilt from. */
const OUTPUTS = 'outputs';
const METRICS = 'gpu_metrics';
const METRICS_REBUILD = 'gpu_metrics.rebuild';

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

/** A partition while this instance owns it. */
interface Owned {
  readonly partition: TopicPartition;
  /** What the database says of it; −1 where it says nothing yet. */
  committed: number;
  rebuild: number;
  next: number;
  /** Rows that batches before this offset finish are in the database already. */
  written: number;
  /** The topic was made anew: its offsets begin below those that the database knows. */
  anew: boolean;
  readonly minutes: MinuteRows | null;
}

interface Unit {
  readonly rows: Row[];
  readonly touched: Set<Owned>;
  refused: { row: Row; reason: string }[];
  readonly undecodable: { record: LogRecord; error: DecodeError }[];
}

/**
 * The load role: records of the engine's topics into the database, each once. Rows and the offsets they were read up
 * to are committed in one database transaction, so the database, not the group, knows where to go on. A database
 * that is down, slow or wrong is waited for, with nothing read meanwhile.
 */
export class LoadRole implements Role, LogListener {
  readonly name = 'load';
  private readonly database: TimescaleSink;
  private readonly topics: ReadonlyMap<string, LoadedTopic | 'samples'>;
  private readonly owned = new Map<string, Owned>();
  private readonly busy = new Busy();
  private readonly backoff = new Backoff();
  private consumer: LogConsumer | undefined;
  private letters: KafkaSink | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopping = false;
  private assignedOnce = false;
  /** Why the database is waited for; null while it answers. */
  private trouble: string | null = null;

  constructor(
    private readonly dependencies: LoadDependencies,
    private readonly context: RoleContext,
  ) {
    const { config, connection, url } = dependencies;
    this.database = new TimescaleSink(url, `gpu-actuary load ${config.instance}`);
    const keys: (LoadedTopic | 'samples')[] = Object.keys(OUTPUT_TABLES) as LoadedTopic[];
    if (config.load.metrics !== 'off') keys.push('samples');
    this.topics = new Map(keys.map((key) => [topicName(connection.topicPrefix, key), key]));
  }

  async start(): Promise<void> {
    const { connection } = this.dependencies;
    this.letters = await openSink(connection, 'load', DEAD_LETTER_MAX_BYTES, this.warn);
    const patient = {
      ...connection,
      properties: { ...connection.properties, 'max.poll.interval.ms': MAX_POLL_INTERVAL_MS },
    };
    this.consumer = openLog(patient, 'load', [...this.topics.keys()], this.warn);
    await this.consumer.start(this);
    this.running = lastValueFrom(this.chain(), { defaultValue: undefined }).then(() => undefined, this.context.fail);
  }

  readiness(): Readiness {
    if (this.trouble !== null) return { ready: false, detail: this.trouble };
    return this.assignedOnce
      ? { ready: true, detail: `${this.owned.size} partitions` }
      : { ready: false, detail: 'waiting for partitions' };
  }

  /** Per partition: offsets in the database, where open rows are rebuilt from, and the next one to read. */
  state(): unknown {
    return Object.fromEntries(
      [...this.owned].map(([key, { committed, rebuild, next }]) => [key, { committed, rebuild, next }]),
    );
  }

  async stop(): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    this.backoff.cancel();
    await this.running;
    await this.consumer?.close();
    await this.letters?.close();
    await this.database.close();
  }

  async assigned(partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    const known = await this.patiently(() => this.databaseOffsets());
    const { config } = this.dependencies;
    for (const partition of partitions) {
      const key = keyOf(partition);
      const isSamples = this.topics.get(partition.topic) === 'samples';
      const committed = known?.get(`${isSamples ? METRICS : OUTPUTS} ${key}`) ?? -1;
      const rebuild = isSamples ? (known?.get(`${METRICS_REBUILD} ${key}`) ?? committed) : committed;
      const owned: Owned = {
        partition,
        committed,
        rebuild,
        next: rebuild,
        written: committed,
        anew: false,
        minutes:
          isSamples && config.load.metrics !== 'off'
            ? new MinuteRows((cells, offset) => this.minuteRow(owned, cells, offset), ROW_MS[config.load.metrics])
            : null,
      };
      this.owned.set(key, owned);
    }
    this.assignedOnce = true;
    return [...this.owned.values()]
      .filter(({ partition }) => partitions.some((one) => keyOf(one) === keyOf(partition)))
      .map(({ partition, rebuild }) => ({ ...partition, offset: rebuild < 0 ? BEGINNING : rebuild }));
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.busy.idle();
    for (const partition of partitions) this.owned.delete(keyOf(partition));
  }

  private chain() {
    return load<readonly LogRecord[], Unit>({
      poll: async () => {
        const records = await this.consumer!.poll(POLL_RECORDS, POLL_WAIT_MS);
        this.busy.begin();
        return records;
      },
      toRows: (records) => this.toRows(records),
      copy: (unit) => this.copy(unit),
      commit: (unit) => this.commit(unit),
      settled: () => this.busy.end(),
      stopping: () => this.stopping,
    });
  }

  private unit: Unit = emptyUnit();

  private async toRows(records: readonly LogRecord[]): Promise<Unit> {
    const unit = emptyUnit();
    this.unit = unit;
    for (const record of records) {
      const owned = this.owned.get(keyOf(record));
      const topic = this.topics.get(record.topic);
      if (owned === undefined || topic === undefined) continue;
      if (record.offset < owned.next && !this.beginsAnew(owned, record)) continue;
      owned.next = record.offset + 1;
      unit.touched.add(owned);
      if (record.value === null) {
        this.removal(topic, record);
        continue;
      }
      try {
        if (topic === 'samples')
          owned.minutes?.add(
            fromSamplesRecord(await this.dependencies.codec.decode('samples', record.value)),
            record.offset,
            record.timestampMs,
          );
        else this.outputRow(topic, record, await this.dependencies.codec.decode<never>(topic, record.value));
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        // The score role reads gpu.samples too, and has the letter written: one is enough.
        if (topic !== 'samples') unit.undecodable.push({ record, error });
      }
    }
    return unit;
  }

  private outputRow(topic: LoadedTopic, { topic: name, partition, offset }: LogRecord, record: never): void {
    const table: Table = OUTPUT_TABLES[topic];
    this.unit.rows.push({
      table: table.name,
      columns: table.columns,
      cells: table.row(record),
      origin: { topic: name, partition, offset },
    });
  }

  /** A tombstone takes the rows of its key out of a table that holds one row a key. */
  private removal(topic: LoadedTopic | 'samples', { topic: name, partition, offset, key }: LogRecord): void {
    if (topic === 'samples' || key === null) return;
    const { name: table } = OUTPUT_TABLES[topic];
    if (UPSERT_KEYS[table] === undefined) return;
    const origin = { topic: name, partition, offset };
    this.unit.rows.push({ table, columns: ['gpu_uuid'], cells: [key.toString('utf8')], removes: true, origin });
  }

  /**
   * Whether a record below the position begins a topic that was deleted and made anew: its end is below what the
   * database has loaded. Otherwise the record was taken already.
   */
  private beginsAnew(owned: Owned, { topic, partition, offset }: LogRecord): boolean {
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

  private minuteRow({ partition, written }: Owned, cells: Row['cells'], offset: number): void {
    // Read again only to rebuild open rows: this one is in the database already.
    if (offset < written) return;
    this.unit.rows.push({ table: 'gpu_metrics', columns: METRIC_COLUMNS, cells, origin: { ...partition, offset } });
  }

  /** Rows and offsets in one transaction, for as long as it takes. */
  private async copy(unit: Unit): Promise<Unit> {
    if (unit.touched.size === 0) return unit;
    await this.putAside(unit);
    let rows = unit.rows;
    const started = performance.now();
    const done = await this.unlessFenced(async () => {
      try {
        await this.database.write(rows, this.moves(unit));
      } catch (error) {
        if (!isDataError(error)) throw error;
        unit.refused = await this.database.refused(rows);
        // Nothing to blame a row for: it will be as wrong the next time, but is not ours to leave out.
        if (unit.refused.length === 0) throw error;
        await this.putAside(unit);
        const refused = new Set(unit.refused.map(({ row }) => row));
        rows = rows.filter((row) => !refused.has(row));
        await this.database.write(rows, this.moves(unit));
      }
      return true;
    });
    if (done === null) return emptyUnit();
    const counts = new Map<string, number>();
    for (const { table } of rows) counts.set(table, (counts.get(table) ?? 0) + 1);
    this.dependencies.metrics.loaded(counts, (performance.now() - started) / 1000);
    for (const owned of unit.touched) {
      if (owned.next <= owned.committed && !owned.anew) continue;
      owned.committed = owned.next;
      owned.rebuild = this.rebuildOf(owned);
      owned.anew = false;
    }
    return unit;
  }

  /** Another loader has written the same partitions: goes on from where the database is. Null then. */
  private async unlessFenced(work: () => Promise<true>): Promise<true | null> {
    try {
      return await this.patiently(work);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      this.context.log.warn({ role: 'load' }, `${error.message}: reading on from the database's offsets`);
      const partitions = [...this.owned.values()].map(({ partition }) => partition);
      for (const position of await this.assigned(partitions)) await this.consumer!.seek(position);
      return null;
    }
  }

  /** The group's offsets, for lag monitors alone. */
  private async commit(unit: Unit): Promise<void> {
    if (unit.touched.size === 0) return;
    await this.consumer!.commit(
      [...unit.touched].map(({ partition, committed }) => ({ ...partition, offset: committed })),
    );
    let lag = 0;
    for (const { partition, next } of this.owned.values())
      lag += Math.max(0, this.consumer!.endOffset(partition) - next);
    this.dependencies.metrics.lag('load', lag);
  }

  private moves(unit: Unit): OffsetMove[] {
    const moves: OffsetMove[] = [];
    for (const owned of unit.touched) {
      const { topic, partition } = owned.partition;
      // While open rows are rebuilt the position is behind what is committed already.
      if (owned.next <= owned.committed && !owned.anew) continue;
      const isSamples = this.topics.get(topic) === 'samples';
      moves.push({ sink: isSamples ? METRICS : OUTPUTS, topic, partition, from: owned.committed, to: owned.next });
      if (isSamples)
        moves.push({
          sink: METRICS_REBUILD,
          topic,
          partition,
          from: owned.committed < 0 ? -1 : owned.rebuild,
          to: this.rebuildOf(owned),
        });
    }
    return moves;
  }

  private rebuildOf(owned: Owned): number {
    return owned.minutes === null ? owned.next : owned.minutes.rebuildFrom(owned.next);
  }

  /** Dead letters of what cannot be loaded: acknowledged before the offsets that leave it behind. */
  private async putAside({ undecodable, refused }: Unit): Promise<void> {
    const topic = topicName(this.dependencies.connection.topicPrefix, 'deadLetter');
    const letters = [
      ...undecodable.map(({ record, error }) =>
        messageLetter(topic, record, record.key, record.value, error.code, error.message),
      ),
      ...refused.map(({ row, reason }) =>
        messageLetter(
          topic,
          row.origin,
          null,
          Buffer.from(JSON.stringify({ table: row.table, columns: row.columns, cells: row.cells })),
          'unloadable_row',
          reason,
        ),
      ),
    ];
    if (letters.length === 0) return;
    await this.letters!.write(letters);
    await this.letters!.flush();
    for (const { error } of undecodable) this.dependencies.metrics.deadLettered(error.code, 1);
    if (refused.length > 0) this.dependencies.metrics.deadLettered('unloadable_row', refused.length);
    undecodable.length = 0;
  }

  private async databaseOffsets(): Promise<Map<string, number>> {
    const offsets = new Map<string, number>();
    for (const sink of [OUTPUTS, METRICS, METRICS_REBUILD])
      for (const [key, next] of await this.database.offsets(sink)) offsets.set(`${sink} ${key}`, next);
    return offsets;
  }

  /**
   * Does something with the database, again and again until it works, saying why it waits.
   * @returns null when the role is stopped meanwhile
   */
  private async patiently<T>(work: () => Promise<T>): Promise<T | null> {
    for (;;) {
      try {
        const result = await work();
        if (this.trouble !== null) this.context.log.info({ role: 'load' }, 'the database answers again');
        this.trouble = null;
        this.backoff.reset();
        return result;
      } catch (error) {
        if (error instanceof FencedError) throw error;
        const trouble = describe(error);
        if (trouble !== this.trouble) this.context.log.warn({ role: 'load' }, trouble);
        this.trouble = trouble;
        this.dependencies.metrics.loadRetried();
      }
      if (this.stopping || !(await this.backoff.wait())) return null;
    }
  }

  private readonly warn = (message: string): void => {
    this.dependencies.metrics.clientWarning('load');
    this.context.log.warn({ role: 'load' }, message);
  };
}

function emptyUnit(): Unit {
  return { rows: [], touched: new Set(), refused: [], undecodable: [] };
}

/** SQLSTATEs that a person has to do something about. */
const ADVICE: Readonly<Record<string, string>> = {
  '42P01': 'its tables are missing: run gpu-actuary db migrate',
  '3D000': 'the database does not exist',
  '28P01': 'it refuses the password',
  '28000': 'it refuses the user',
};

function describe(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  const advice = typeof code === 'string' ? ADVICE[code] : undefined;
  return `waiting for the database: ${advice === undefined ? '' : `${advice} (`}${messageOf(error)}${advice === undefined ? '' : ')'}`;
}
