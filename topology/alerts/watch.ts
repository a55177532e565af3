import { setTimeout as delay } from 'node:timers/promises';
import { SILENT_AFTER_MS, type Silence } from '../../operators/alerts/presence.js';
import type { RuleKind } from '../../operators/alerts/rules.js';
import type { AbsenceNotice } from '../../schema/absence.js';
import { DecodeError, type AvroCodec } from '../../schema/avro.js';
import type { Clock } from '../../schema/clock.js';
import type { Config } from '../../schema/config.js';
import type { AlertRecord } from '../../schema/records.js';
import { SamplesCodec } from '../../schema/samples.js';
import { topicName } from '../../schema/topics.js';
import { messageLetter } from '../../sinks/dead-letter.js';
import type { KafkaSink, OutputRecord } from '../../sinks/kafka.js';
import type { Instruments } from '../instruments.js';
import { openSink, type KafkaConnection } from '../kafka/connection.js';
import { LagProbe } from '../kafka/lag-probe.js';
import type { LogRecord } from '../kafka/log.js';
import { TableReader } from '../kafka/table-reader.js';
import type { RoleContext } from '../roles/role.js';
import { alertOutput } from './alert-output.js';
import { Currency } from './currency.js';
import { Judging, type Moment } from './judging.js';
import { MaintenanceWindows } from './maintenance-windows.js';

/** How often silence is looked for. */
const TICK_MS = 2_000;
const MAX_ALERT_BYTES = 1_000_000;
const KINDS = ['predictions', 'features', 'health', 'decisions'] as const satisfies readonly RuleKind[];

export interface WatchDependencies {
  readonly config: Config;
  readonly connection: KafkaConnection;
  readonly codec: AvroCodec;
  readonly instruments: Instruments;
  readonly clock: Clock;
}

/**
 * Watches the fleet: reads the outputs, and gpu.samples as they come, and writes gpu.alerts. Silence is counted from its
 * own start.
 */
export class Watch {
  private readonly judging: Judging;
  private readonly samples: SamplesCodec;
  private readonly kindOf: ReadonlyMap<string, RuleKind | 'alerts'>;
  private readonly probe: LagProbe;
  private readonly currency: Currency;
  private readonly maintenance: MaintenanceWindows;
  private readonly maintenanceTopic: string;
  private sink: KafkaSink | undefined;
  private tables: TableReader | undefined;
  private arrivals: TableReader | undefined;
  private running: Promise<void> = Promise.resolve();
  private starting: Promise<void> = Promise.resolve();
  private stopping = false;
  private isWatching = false;

  constructor(
    private readonly dependencies: WatchDependencies,
    private readonly context: RoleContext,
    /** Monotonic ms. */
    private readonly monotonic: () => number = () => performance.now(),
  ) {
    const { config, connection, codec } = dependencies;
    this.judging = new Judging(config);
    this.samples = new SamplesCodec(codec);
    this.maintenance = new MaintenanceWindows(config.alerts.maintenanceFile, context.log);
    this.maintenanceTopic = topicName(connection.topicPrefix, 'maintenance');
    this.kindOf = new Map(
      [...KINDS, 'alerts' as const].map((kind) => [topicName(connection.topicPrefix, kind), kind] as const),
    );
    this.probe = new LagProbe(
      connection,
      `${connection.topicPrefix}gpu-actuary.ingest`,
      config.sources.flatMap(({ topics }) => topics),
    );
    this.currency = new Currency(this.probe);
  }

  get detail(): string {
    if (!this.isWatching) return 'reading topics';
    const firing = [...this.judging.firing().values()].reduce((sum, count) => sum + count, 0);
    return `${this.judging.size} GPUs, ${firing} alerts firing`;
  }

  start(): Promise<void> {
    this.starting = this.open();
    return this.starting;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.starting.catch(() => undefined);
    await this.running;
    await this.arrivals?.close();
    await this.tables?.close();
    await this.probe.close();
    await this.sink?.close();
  }

  private async open(): Promise<void> {
    const { connection } = this.dependencies;
    const { fail } = this.context;
    this.sink = await openSink(connection, 'alerts', MAX_ALERT_BYTES, this.warn);
    await this.probe.open();
    this.tables = new TableReader(connection, 'alerts', [...this.kindOf.keys(), this.maintenanceTopic], this.warn);
    await this.tables.start(this.take, fail);
    if (this.stopping) return;
    await this.write(this.judging.begin(this.moment()));
    this.arrivals = new TableReader(
      connection,
      'alerts-samples',
      [topicName(connection.topicPrefix, 'samples')],
      this.warn,
      'end',
    );
    await this.arrivals.start(this.hear, fail);
    this.isWatching = true;
    this.context.log.info({ role: 'alerts', gpus: this.judging.size }, 'watching');
    this.running = this.run().catch(fail);
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      await this.tick();
      await delay(TICK_MS, undefined, { ref: false });
    }
  }

  private async tick(): Promise<void> {
    const { clock, instruments } = this.dependencies;
    await this.maintenance.readFile();
    await this.currency.look(this.monotonic());
    const { alerts, silences } = this.judging.look(this.moment(), this.currency.topics, {
      currentSince: (topic, partition) => (this.arrivals!.behind ? Infinity : this.currency.sinceOf(topic, partition)),
      isExpected: (gpuUuid, host, topic) => this.maintenance.isExpected(clock.now(), gpuUuid, host, topic),
    });
    await this.write(alerts, silences.flatMap(noticesOf));
    instruments.alerting(this.judging.firing(), this.judging.silent);
  }

  private moment(): Moment {
    return { nowMs: this.monotonic(), wallMs: this.dependencies.clock.now() };
  }

  /** Records of the outputs, and of gpu.alerts as this or another instance wrote them. */
  private readonly take = async (records: readonly LogRecord[]): Promise<void> => {
    const out: AlertRecord[] = [];
    for (const record of records) {
      const { topic, value, offset } = record;
      if (topic === this.maintenanceTopic) await this.takeMaintenance(record);
      const kind = this.kindOf.get(topic);
      if (kind === undefined || value === null) continue;
      try {
        if (kind === 'alerts') this.judging.told(await this.dependencies.codec.decode<AlertRecord>(kind, value));
        else out.push(...this.judging.take(kind, await this.dependencies.codec.decode(kind, value), this.moment()));
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        this.context.log.warn({ topic, offset, code: error.code }, 'record left out');
      }
    }
    await this.write(out);
  };

  /** A window that is wrong is a dead letter when it comes; those that a start finds were one then. */
  private async takeMaintenance(record: LogRecord): Promise<void> {
    const wrong = this.maintenance.take(record);
    if (wrong === null) return;
    this.context.log.warn({ role: 'alerts', code: 'input_invalid' }, `maintenance window left out: ${wrong}`);
    if (!this.isWatching) return;
    const topic = topicName(this.dependencies.connection.topicPrefix, 'deadLetter');
    await this.sink!.write([messageLetter(topic, record, record.key, record.value, 'malformed', wrong)]);
    await this.sink!.flush();
    this.dependencies.instruments.deadLettered('malformed', 1);
  }

  private readonly hear = async (records: readonly LogRecord[]): Promise<void> => {
    const nowMs = this.monotonic();
    this.samples.tidy(this.judging.size);
    for (const { value, topic, offset } of records) {
      if (value === null) continue;
      try {
        const batch = await this.samples.decode(value);
        for (let row = 0; row < batch.count; row++) {
          const origin = batch.origins[batch.originIndex[row]];
          const metadata = batch.metadataIndex[row];
          const host = metadata < 0 ? null : (batch.metadata[metadata].host ?? null);
          const gpuUuid = batch.gpus[batch.gpuIndex[row]];
          this.judging.heard(gpuUuid, host, origin.topic, origin.partition, batch.eventTimeMs[row], nowMs);
        }
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        this.context.log.warn({ topic, offset, code: error.code }, 'batch left out');
      }
    }
  };

  private async write(alerts: readonly AlertRecord[], notices: readonly AbsenceNotice[] = []): Promise<void> {
    if (alerts.length === 0 && notices.length === 0) return;
    const { codec, connection, instruments } = this.dependencies;
    const records: OutputRecord[] = alerts.map((alert) => alertOutput(connection, codec, alert));
    for (const notice of notices)
      records.push({
        topic: topicName(connection.topicPrefix, 'presence'),
        partition: null,
        key: notice.gpu_uuid,
        value: Buffer.from(JSON.stringify(notice)),
      });
    await this.sink!.write(records);
    await this.sink!.flush();
    if (alerts.length > 0) instruments.recordsWritten('alerts', alerts.length);
  }

  private readonly warn = (message: string): void => {
    this.dependencies.instruments.clientWarning('alerts');
    this.context.log.warn({ role: 'alerts' }, message);
  };
}

function noticesOf({ gpus }: Silence): AbsenceNotice[] {
  return gpus.map(({ gpuUuid, newestMs }) => ({
    gpu_uuid: gpuUuid,
    newest_reading_at: newestMs,
    as_of: newestMs + SILENT_AFTER_MS,
  }));
}
