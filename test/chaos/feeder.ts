import { setTimeout as delay } from 'node:timers/promises';
import { Router } from '../../topology/ingest/router.js';
import { openSink, type KafkaConnection } from '../../topology/kafka/connection.js';
import { createDecoder } from '../../operators/decode/decoders.js';
import { AvroCodec } from '../../schema/avro.js';
import { BatchBuilder } from '../../schema/batch.js';
import { SamplesCodec } from '../../schema/samples.js';
import { topicName } from '../../schema/topics.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { Random } from '../../simulator/random.js';
import type { KafkaSink, OutputRecord } from '../../sinks/kafka.js';

/** Hosts have GPUs of one model each, and not every model has a price. */
const FLEET = { gpus: 24, hosts: 8, startMs: Date.UTC(2026, 5, 1), days: 60, cadenceMs: 120_000, hazardScale: 100 };
/** Between two scrapes of the fleet on the wall clock: an hour of telemetry takes a second or less. */
const SCRAPE_EVERY_MS = 15;
/** A wait for acknowledgements each so many scrapes: more would leave the engine without work, fewer fill memory. */
const SCRAPES_PER_FLUSH = 10;
/** Of the readings, how many come after later ones, and by how many scrapes. */
const LATE_SHARE = 0.005;
const LATE_SCRAPES = 40;
/** Of the scrapes, how many are followed by a record that nobody can read. */
const POISON_SHARE = 0.02;
const BATCH_SAMPLES = 8;
const MAX_MESSAGE_BYTES = 1_000_000;

interface Line {
  readonly key: string;
  readonly value: string;
}

/** Writes a fleet's telemetry into gpu.samples without a pause, as ingest would: some of it late, some unreadable. */
export class Feeder {
  private stopping = false;
  private running: Promise<void> = Promise.resolve();
  /** Batches written. */
  batches = 0;

  private constructor(
    private readonly sink: KafkaSink,
    private readonly topic: string,
    private readonly codec: SamplesCodec,
    private readonly partitions: number,
    private readonly seed: number,
  ) {}

  /** @throws ActuaryError kafka_unreachable */
  static async open(connection: KafkaConnection, seed: number): Promise<Feeder> {
    const topic = topicName(connection.topicPrefix, 'samples');
    const sink = await openSink(connection, 'chaos', MAX_MESSAGE_BYTES, () => undefined);
    const codec = new SamplesCodec(await AvroCodec.open(null, ''));
    return new Feeder(sink, topic, codec, await sink.partitions(topic), seed);
  }

  start(): void {
    this.running = this.feed();
    // Whoever stops it is told.
    this.running.catch(() => undefined);
  }

  /** Resolves when all that was begun is written. @throws ActuaryError kafka_failed */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
    await this.sink.close();
  }

  private async feed(): Promise<void> {
    const decoder = createDecoder('wide-json-flat', { profUnit: 'percent', maxMessageBytes: MAX_MESSAGE_BYTES });
    const random = new Random(this.seed, 'feeder');
    const builder = new BatchBuilder();
    let records: OutputRecord[] = [];
    const record = (partition: number, value: Buffer): OutputRecord => ({
      topic: this.topic,
      partition,
      key: null,
      value,
    });
    const router = new Router(this.partitions, BATCH_SAMPLES, (partition, batch) => {
      records.push(record(partition, this.codec.encode(batch)));
    });
    let offset = 0;
    let written = 0;
    for (const lines of scrapes(this.seed, random)) {
      for (const { key, value } of lines) {
        builder.from('chaos', 0, offset);
        decoder.decode(
          {
            ...{ topic: 'chaos', partition: 0, offset: offset++, timestampMs: 0 },
            ...{ key: Buffer.from(key), value: Buffer.from(value) },
          },
          builder,
          () => undefined,
        );
        const batch = builder.view();
        for (let row = 0; row < batch.count; row++) router.take(batch, row);
        builder.clear();
      }
      router.drain();
      if (random.chance(POISON_SHARE))
        records.push(record(Math.floor(random.uniform() * this.partitions), Buffer.from('no batch')));
      this.batches += records.length;
      await this.sink.write(records);
      records = [];
      if (++written % SCRAPES_PER_FLUSH === 0 || this.stopping) await this.sink.flush();
      if (this.stopping) return;
      await delay(SCRAPE_EVERY_MS);
    }
  }
}

/** The fleet's messages, scrape by scrape. */
function* scrapes(seed: number, random: Random): Generator<readonly Line[]> {
  const fleet = new Fleet({ ...FLEET, seed });
  const held: { readonly line: Line; readonly until: number }[] = [];
  let number = 0;
  for (let fromMs = FLEET.startMs; fromMs < fleet.endMs; fromMs += FLEET.cadenceMs) {
    number++;
    const lines: Line[] = [];
    for (const scrape of fleet.scrapesBetween(fromMs, fromMs + FLEET.cadenceMs, FLEET.cadenceMs))
      for (const { key, value } of messagesOf(scrape, 'wide-json-flat'))
        if (random.chance(LATE_SHARE))
          held.push({ line: { key, value }, until: number + random.between(1, LATE_SCRAPES) });
        else lines.push({ key, value });
    const due = held.filter(({ until }) => until <= number);
    for (const one of due) {
      lines.push(one.line);
      held.splice(held.indexOf(one), 1);
    }
    yield lines;
  }
}
