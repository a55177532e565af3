import type { AlertView } from '../../serving/alert-view.js';
import type { FleetView } from '../../serving/fleet-view.js';
import type { RecordKind, RecordOf } from '../../serving/gpu-state.js';
import { DecodeError, type AvroCodec } from '../../schema/avro.js';
import type { AlertRecord } from '../../schema/records.js';
import { topicName } from '../../schema/topics.js';
import type { Instruments } from '../instruments.js';
import type { KafkaConnection } from '../kafka/connection.js';
import type { LogRecord } from '../kafka/log.js';
import { TableReader } from '../kafka/table-reader.js';
import type { Readiness, Role, RoleContext } from './role.js';

const KINDS = [
  'assets',
  'features',
  'predictions',
  'health',
  'decisions',
  'panes',
] as const satisfies readonly RecordKind[];

export interface ServeDependencies {
  readonly connection: KafkaConnection;
  readonly codec: AvroCodec;
  readonly view: FleetView;
  readonly alerts: AlertView;
  readonly instruments: Instruments;
}

/**
 * The serve role: keeps the latest records of every GPU in memory, read from the engine's topics without a group:
 * every instance has the whole fleet. Answering is the HTTP server's.
 */
export class ServeRole implements Role {
  readonly name = 'serve';
  private readonly kindOf: ReadonlyMap<string, RecordKind | 'alerts'>;
  private reader: TableReader | undefined;
  private caughtUp = false;

  constructor(
    private readonly dependencies: ServeDependencies,
    private readonly context: RoleContext,
  ) {
    const { topicPrefix } = dependencies.connection;
    this.kindOf = new Map([...KINDS, 'alerts' as const].map((kind) => [topicName(topicPrefix, kind), kind] as const));
  }

  start(): Promise<void> {
    const { connection, instruments } = this.dependencies;
    this.reader = new TableReader(connection, 'serve', [...this.kindOf.keys()], (message) => {
      instruments.clientWarning('serve');
      this.context.log.warn({ role: 'serve' }, message);
    });
    // Reading to the end may take a while; the HTTP server answers meanwhile that it is not ready.
    this.reader.start(this.apply, this.context.fail).then(
      () => {
        this.caughtUp = true;
        this.context.log.info({ role: 'serve', gpus: this.dependencies.view.size }, 'topics read to their end');
      },
      (error: Error) => this.context.fail(error),
    );
    return Promise.resolve();
  }

  readiness(): Readiness {
    return this.caughtUp
      ? { ready: true, detail: `${this.dependencies.view.size} GPUs` }
      : { ready: false, detail: `reading topics to their end: ${this.dependencies.view.size} GPUs so far` };
  }

  async stop(): Promise<void> {
    await this.reader?.close();
  }

  private readonly apply = async (records: readonly LogRecord[]): Promise<void> => {
    for (const record of records) await this.applyOne(record);
  };

  private async applyOne(record: LogRecord): Promise<void> {
    const { codec, view, alerts } = this.dependencies;
    const kind = this.kindOf.get(record.topic);
    if (kind === undefined || record.key === null) return;
    const gpuUuid = record.key.toString('utf8');
    if (record.value === null) {
      if (kind === 'alerts') alerts.forget(gpuUuid);
      else if (kind !== 'panes') view.forget(kind, gpuUuid);
      return;
    }
    try {
      if (kind === 'alerts') {
        alerts.apply(await codec.decode<AlertRecord>(kind, record.value));
        return;
      }
      const value = await codec.decode<RecordOf[RecordKind]>(kind, record.value);
      view.apply(kind, value);
      if (kind === 'predictions') view.observe(gpuUuid, value as RecordOf['predictions']);
    } catch (error) {
      // Somebody else wrote to the topic: the others of its records still count.
      if (!(error instanceof DecodeError)) throw error;
      this.context.log.warn({ topic: record.topic, offset: record.offset, code: error.code }, 'record left out');
    }
  }
}
