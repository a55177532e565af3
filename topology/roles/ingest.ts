import { timeLimits } from '../../operators/judge-time.js';
import type { Decoder } from '../../operators/decode/decoder.js';
import { AvroWriter } from '../../schema/avro-bytes.js';
import { RecycledMemory } from '../../schema/recycled-memory.js';
import { SamplesCodec } from '../../schema/samples.js';
import type { AvroCodec } from '../../schema/avro.js';
import { BatchBuilder } from '../../schema/batch.js';
import type { Config, SourceConfig } from '../../schema/config.js';
import { topicName } from '../../schema/topics.js';
import { DEAD_LETTER_MAX_BYTES } from '../../sinks/dead-letter.js';
import type { KafkaSink, OutputRecord } from '../../sinks/kafka.js';
import { publishAssets } from '../ingest/asset-publisher.js';
import { Intake } from '../ingest/intake.js';
import { Ownership } from '../ingest/ownership.js';
import { Router } from '../ingest/router.js';
import { SourceReader } from '../ingest/source-reader.js';
import { RejectionCounter, type Instruments } from '../instruments.js';
import { openLog, openSink, openSource, type KafkaConnection } from '../kafka/connection.js';
import { placeBytes } from '../kafka/buffers.js';
import { commitIntervals } from '../kafka/commit-intervals.js';
import { isBeyondKafkaJs } from '../kafka/kafkajs-log.js';
import { peekKeyed } from '../kafka/peek.js';
import { sourceClient, type SourceClient } from '../kafka/source-client.js';
import type { Readiness, Role, RoleContext } from './role.js';

export interface IngestDependencies {
  readonly config: Config;
  readonly connection: KafkaConnection;
  readonly codec: AvroCodec;
  readonly decoderOf: (source: SourceConfig) => Decoder;
  readonly instruments: Instruments;
}

/** A source as this process takes part in reading it. */
interface Reading {
  readonly name: string;
  /** Null while another instance owns a source without keys, or before it is first read. */
  reader: SourceReader | null;
  readonly ownership: Ownership | null;
}

/**
 * The ingest role: any DCGM shape in, gpu.samples out. Keyed sources are shared among instances; one without keys is
 * read by its owner alone.
 */
export class IngestRole implements Role {
  readonly name = 'ingest';
  private readonly samples: SamplesCodec;
  private sink: KafkaSink | undefined;
  private partitionCount = 0;
  private readonly readings: Reading[] = [];
  /** What each source holds, and what there is of it to be read; this role's metrics are their sums. */
  private readonly held = new Map<string, { readonly bytes: number; readonly lag: number }>();
  private stopped = false;

  constructor(
    private readonly dependencies: IngestDependencies,
    private readonly context: RoleContext,
  ) {
    this.samples = new SamplesCodec(dependencies.codec);
  }

  async start(): Promise<void> {
    const { config, connection } = this.dependencies;
    this.sink = await openSink(connection, 'ingest', DEAD_LETTER_MAX_BYTES, this.warn);
    this.partitionCount = await this.sink.partitions(topicName(connection.topicPrefix, 'samples'));
    // Before any sample, so that its GPU's record is there when score looks for it.
    if (config.assets.file !== null) {
      const { codec } = this.dependencies;
      const { changed, removed } = await publishAssets(config.assets.file, connection, codec, this.sink, this.warn);
      this.context.log.info({ file: config.assets.file, changed, removed }, 'asset register published');
    }
    for (const source of config.sources) await this.startSource(source);
  }

  readiness(): Readiness {
    const waiting = this.readings.filter(({ reader, ownership }) =>
      reader === null ? ownership === null : !reader.hasAssignment,
    );
    if (this.readings.length === 0) return { ready: false, detail: 'starting' };
    if (waiting.length > 0)
      return { ready: false, detail: `waiting for partitions of ${waiting.map(({ name }) => name).join(', ')}` };
    return { ready: true, detail: `reading ${this.readings.map(({ name }) => name).join(', ')}` };
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    await Promise.all(this.readings.map(async ({ reader, ownership }) => (ownership ?? reader)?.stop()));
    await this.sink?.close();
  }

  private async startSource(source: SourceConfig): Promise<void> {
    const { connection } = this.dependencies;
    const name = source.topics.join('+');
    const observed = source.keyed === 'auto' ? await peekKeyed(connection, source.topics) : source.keyed;
    this.context.log.info(
      { source: name, format: source.format, keyed: observed },
      observed === true
        ? 'source is keyed: shared among instances'
        : 'source is read by one instance, its partitions in step by event time',
    );
    if (observed === true) {
      const reading: Reading = { name, reader: null, ownership: null };
      this.readings.push(reading);
      await this.read(reading, source, true, sourceClient(connection.properties, true));
      return;
    }
    const lock = openLog(
      connection,
      'ingest-lock',
      [topicName(connection.topicPrefix, 'ingestLock')],
      this.warn,
      `${connection.topicPrefix}gpu-actuary.ingest-lock.${name}`,
    );
    const reading: Reading = {
      name,
      reader: null,
      ownership: new Ownership(
        lock,
        async () => {
          await this.read(reading, source, false, sourceClient(connection.properties, false));
        },
        async () => {
          await reading.reader?.stop();
          reading.reader = null;
          this.held.delete(name);
        },
        this.context.fail,
      ),
    };
    this.readings.push(reading);
    await reading.ownership!.start();
  }

  private async read(reading: Reading, source: SourceConfig, keyed: boolean, client: SourceClient): Promise<void> {
    this.context.log.info(
      { source: reading.name },
      client.name === 'kafkajs'
        ? 'read by kafkajs'
        : `read by node-rdkafka (${client.because}), which takes about twice the CPU where messages are small`,
    );
    const reader = await this.readerOf(source, reading.name, keyed, client);
    reading.reader = reader;
    await reader.start((error) => {
      if (client.name !== 'kafkajs' || !isBeyondKafkaJs(error)) {
        this.context.fail(error);
        return;
      }
      this.context.log.warn({ source: reading.name }, `${error.message}; reading on with node-rdkafka`);
      reader
        .stop()
        .then(() =>
          this.stopped
            ? undefined
            : this.read(reading, source, keyed, { name: 'node-rdkafka', because: error.message }),
        )
        .catch(this.context.fail);
    });
  }

  private async readerOf(
    source: SourceConfig,
    name: string,
    keyed: boolean,
    client: SourceClient,
  ): Promise<SourceReader> {
    const { config, instruments } = this.dependencies;
    const whole = this.dependencies.connection;
    const connection = { ...whole, bufferBytes: whole.bufferBytes / config.sources.length };
    const rejections = new RejectionCounter();
    const topic = topicName(connection.topicPrefix, 'samples');
    const memory = new RecycledMemory(placeBytes(connection.bufferBytes));
    let ready = { records: [] as OutputRecord[], memory: new AvroWriter(memory) };
    const router = new Router(this.partitionCount, config.ingest.batchSamples, (partition, batch) =>
      ready.records.push({ topic, partition, key: null, value: this.samples.encode(batch, ready.memory) }),
    );
    const collector = keyed ? null : new BatchBuilder();
    const parts = await openSource(connection, {
      topics: source.topics,
      keyed,
      client,
      maxMessageBytes: DEAD_LETTER_MAX_BYTES,
      sink: this.sink!,
      warn: this.warn,
      stopping: () => this.stopped,
    });
    return new SourceReader({
      ...parts,
      name,
      intake: new Intake({
        decoder: this.dependencies.decoderOf(source),
        target: collector ?? router,
        limits: timeLimits(config.ingest),
        deadLetterTopic: topicName(connection.topicPrefix, 'deadLetter'),
        reject: rejections.reject,
        onLetter: (code) => instruments.deadLettered(code, 1),
        onWarning: (warning) => this.context.log.warn({ source: name }, warning),
        gapMs: config.windows.gapMs,
      }),
      collector,
      lingerMs: config.ingest.lingerMs,
      bufferBytes: connection.bufferBytes,
      ...commitIntervals(connection.guarantee, config.kafka),
      maxUndecodable: config.deadLetter.maxRatio,
      router,
      batches: () => {
        const batches = ready;
        ready = { records: [], memory: new AvroWriter(memory) };
        return batches;
      },
      warn: this.warn,
      onRecords: (records, samples, newestMs) => {
        instruments.ingested(name, records, samples, newestMs);
        rejections.flush((reason, count) => instruments.readingsRejected(reason, count));
      },
      onHeld: (bytes, lag) => {
        this.held.set(name, { bytes, lag });
        const all = [...this.held.values()];
        instruments.buffered(
          'ingest',
          all.reduce((sum, one) => sum + one.bytes, 0),
          whole.bufferBytes,
        );
        instruments.lag(
          'ingest',
          all.reduce((sum, one) => sum + one.lag, 0),
        );
      },
      onBatches: (count) => instruments.recordsWritten('samples', count),
    });
  }

  private readonly warn = (message: string): void => {
    this.dependencies.instruments.clientWarning('ingest');
    this.context.log.warn({ role: 'ingest' }, message);
  };
}
