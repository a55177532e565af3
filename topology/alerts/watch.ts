import { setTimeout as delay } from 'node:timers/promises';
import {
  FORGOTTEN_AFTER_MS,
  Presence,
  SILENT_AFTER_MS,
  type Silence,
  type SilenceKind,
} from '../../operators/alerts/presence.js';
import { AlertBook, MODEL_REFUSED, type RuleKind, type RuleRecords } from '../../operators/alerts/rules.js';
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
import { MaintenanceWindows } from './maintenance-windows.js';
import { RuleStage } from './rule-stage.js';

/** How often silence is looked for. */
const TICK_MS = 2_000;
const MAX_ALERT_BYTES = 1_000_000;
const SILENCES: readonly SilenceKind[] = ['detached', 'host_silent', 'gpu_silent', 'pipeline_silent'];
const KINDS = ['predictions', 'features', 'health', 'decisions'] as const satisfies readonly RuleKind[];

export interface WatchDependencies {
  readonly config: Config;
  readonly connection: KafkaConnection;
  readonly codec: AvroCodec;
  readonly instruments: Instruments;
  readonly clock: Clock;
}

/**
 * Watches the fleet: reads the outputs, and gpu.samples as they come, and writes gpu.alerts. What is firing it knows
 * from gpu.alerts itself, and which GPUs there are from gpu.predictions, so that a restart repeats nothing. Silence is
 * counted from its own start.
 */
export class Watch {
  private readonly presence: Presence;
  private readonly book = new AlertBook();
  private readonly rules: RuleStage;
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
    // windows.gapMs is set to at least 2.5 scrape intervals.
    this.presence = new Presence(config.windows.gapMs / 2.5);
    this.rules = new RuleStage(config, this.book);
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
    return this.isWatching
      ? `${this.presence.size} GPUs, ${this.book.firing().length} alerts firing`
      : 'reading topics';
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
    for (const { alert, subject } of this.book.firing())
      if ((SILENCES as readonly string[]).includes(alert)) this.presence.restore(alert as SilenceKind, subject);
    const sinceMs = this.dependencies.clock.now() - FORGOTTEN_AFTER_MS;
    await this.write(this.rules.speak((gpuUuid, newestMs) => this.presence.knows(gpuUuid) || newestMs >= sinceMs));
    this.arrivals = new TableReader(
      connection,
      'alerts-samples',
      [topicName(connection.topicPrefix, 'samples')],
      this.warn,
      'end',
    );
    await this.arrivals.start(this.hear, fail);
    this.isWatching = true;
    this.context.log.info({ role: 'alerts', gpus: this.presence.size }, 'watching');
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
    const nowMs = this.monotonic();
    for (const topic of this.currency.topics) this.presence.expect(topic, clock.now(), nowMs);
    const forgotten = this.presence.forgetSilentBefore(nowMs - FORGOTTEN_AFTER_MS);
    const out = [...this.returns(this.presence.takeReturned())];
    for (const { gpuUuid, asOfMs } of forgotten) out.push(...this.rules.forget(gpuUuid, asOfMs));
    const found = this.presence.judge(nowMs, {
      currentSince: (topic, partition) => (this.arrivals!.behind ? Infinity : this.currency.sinceOf(topic, partition)),
      isExpected: (gpuUuid, host, topic) => this.maintenance.isExpected(clock.now(), gpuUuid, host, topic),
    });
    for (const silence of found) {
      const { alert, subject, gpuUuid, asOfMs, detail } = silence;
      const record = this.book.set({
        ...{ alert, subject, gpu_uuid: gpuUuid, state: 'firing' as const },
        ...{ as_of: asOfMs, detail },
      });
      if (record !== null) out.push(record);
    }
    await this.write(out, found.flatMap(noticesOf));
    const counts = new Map([...SILENCES, ...this.rules.names, MODEL_REFUSED].map((name) => [name, 0]));
    for (const { alert } of this.book.firing()) counts.set(alert, (counts.get(alert) ?? 0) + 1);
    instruments.alerting(counts, this.presence.silent);
  }

  private returns(returned: ReturnType<Presence['takeReturned']>): AlertRecord[] {
    return returned.flatMap(({ alert, subject, gpuUuid, asOfMs }) => {
      const record = this.book.set({
        ...{ alert, subject, gpu_uuid: gpuUuid, state: 'resolved' as const },
        ...{ as_of: asOfMs, detail: 'reports again' },
      });
      return record === null ? [] : [record];
    });
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
        if (kind === 'alerts') this.book.restore(await this.dependencies.codec.decode<AlertRecord>(kind, value));
        else out.push(...this.takeOutput(kind, await this.dependencies.codec.decode(kind, value)));
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

  private takeOutput<Kind extends RuleKind>(kind: Kind, record: RuleRecords[Kind]): AlertRecord[] {
    if (kind === 'predictions') {
      const { gpu_uuid, host, newest_reading_at } = record as RuleRecords['predictions'];
      // The topic keeps the last word of GPUs that left the fleet long ago.
      if (newest_reading_at >= this.dependencies.clock.now() - FORGOTTEN_AFTER_MS)
        this.presence.known(gpu_uuid, host, newest_reading_at, this.monotonic());
    }
    return this.rules.take(kind, record);
  }

  private readonly hear = async (records: readonly LogRecord[]): Promise<void> => {
    const nowMs = this.monotonic();
    this.samples.tidy(this.presence.size);
    for (const { value, topic, offset } of records) {
      if (value === null) continue;
      try {
        const batch = await this.samples.decode(value);
        for (let row = 0; row < batch.count; row++) {
          const origin = batch.origins[batch.originIndex[row]];
          const metadata = batch.metadataIndex[row];
          const host = metadata < 0 ? null : (batch.metadata[metadata].host ?? null);
          const gpuUuid = batch.gpus[batch.gpuIndex[row]];
          this.presence.heard(gpuUuid, host, origin.topic, origin.partition, batch.eventTimeMs[row], nowMs);
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
