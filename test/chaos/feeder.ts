import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaConnection } from '../../topology/kafka/connection.js';
import { topicName } from '../../schema/topics.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import { Random } from '../../simulator/random.js';
import { KafkaSink, type OutputRecord } from '../../sinks/kafka.js';
import { FORMAT, MAX_MESSAGE_BYTES, NO_BATCH, SOURCES, type RawSource } from './sources.js';

/** Hosts have GPUs of one model each, and not every model has a price. The year lasts for an hour. */
const FLEET = { gpus: 24, hosts: 8, startMs: Date.UTC(2026, 5, 1), days: 365, cadenceMs: 120_000, hazardScale: 100 };
/** Between two scrapes of the fleet on the wall clock: an hour of telemetry takes a second or less. */
const SCRAPE_EVERY_MS = 15;
/** A wait for acknowledgements each so many scrapes: more would leave the engine without work, fewer fill memory. */
const SCRAPES_PER_FLUSH = 10;
/** What is not acknowledged after so long is given up: what there is to be read is what came into the topics. */
const GIVE_UP_MS = 10_000;
/** Of the readings, how many come after later ones, and by how many scrapes. */
const LATE_SHARE = 0.005;
const LATE_SCRAPES = 40;
/** Of the scrapes, how many are followed by a record that nobody can read: in a source, and in gpu.samples. */
const POISON_SHARE = 0.02;

interface Line {
  readonly source: RawSource;
  readonly key: string;
  readonly value: string;
  readonly timeMs: number;
}

/** Writes a fleet's telemetry into the sources without a pause: some of it late, some unreadable. */
export class Feeder {
  private stopping = false;
  private running: Promise<void> = Promise.resolve();
  /** Raw messages written. */
  messages = 0;

  private constructor(
    private readonly brokers: readonly string[],
    private sink: KafkaSink,
    private readonly samples: string,
    private readonly partitions: number,
    private readonly seed: number,
  ) {}

  /** @throws ActuaryError kafka_unreachable */
  static async open(connection: KafkaConnection, seed: number): Promise<Feeder> {
    const samples = topicName(connection.topicPrefix, 'samples');
    const sink = await newSink(connection.brokers);
    for (const { topic } of SOURCES) await sink.partitions(topic);
    return new Feeder(connection.brokers, sink, samples, await sink.partitions(samples), seed);
  }

  start(): void {
    this.running = this.feed();
    // Whoever stops it is told.
    this.running.catch(() => undefined);
  }

  /** Resolves when all that was begun is written or given up. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
    await this.sink.close();
  }

  private async feed(): Promise<void> {
    const random = new Random(this.seed, 'feeder');
    let written = 0;
    for (const lines of scrapes(this.seed, random)) {
      const records = lines.map((line) => rawRecord(line, random));
      if (random.chance(POISON_SHARE)) {
        const { source, key, timeMs } = lines[0];
        records.push(rawRecord({ source, key, timeMs, value: 'no telemetry' }, random));
      }
      this.messages += records.length;
      if (random.chance(POISON_SHARE)) {
        const partition = Math.floor(random.uniform() * this.partitions);
        records.push({ topic: this.samples, partition, key: null, value: NO_BATCH });
      }
      try {
        await this.sink.write(records);
        if (++written % SCRAPES_PER_FLUSH === 0 || this.stopping) await this.sink.flush();
      } catch {
        await this.sink.close();
        this.sink = await newSink(this.brokers);
      }
      if (this.stopping) return;
      await delay(SCRAPE_EVERY_MS);
    }
    throw new Error('the telemetry came to its end before the events did');
  }
}

/** Tries until the broker answers. */
async function newSink(brokers: readonly string[]): Promise<KafkaSink> {
  for (;;) {
    const sink = new KafkaSink({
      ...{ brokers, properties: {}, clientId: 'feeder', maxMessageBytes: MAX_MESSAGE_BYTES },
      overrides: { 'message.timeout.ms': GIVE_UP_MS },
      onTransientError: () => undefined,
    });
    try {
      await sink.open();
      return sink;
    } catch {
      await sink.close();
    }
  }
}

function rawRecord({ source, key, value, timeMs }: Line, random: Random): OutputRecord {
  const { topic, keyed, partitions } = source;
  const place = keyed ? { partition: null, key } : { partition: random.pick(partitions), key: null };
  return { topic, ...place, value: Buffer.from(value), timestampMs: timeMs };
}

/** The fleet's messages, scrape by scrape. */
function* scrapes(seed: number, random: Random): Generator<readonly Line[]> {
  const fleet = new Fleet({ ...FLEET, seed });
  const sourceOf = new Map<string, RawSource>();
  const held: { readonly line: Line; readonly until: number }[] = [];
  let number = 0;
  for (let fromMs = FLEET.startMs; fromMs < fleet.endMs; fromMs += FLEET.cadenceMs) {
    number++;
    const lines: Line[] = [];
    for (const scrape of fleet.scrapesBetween(fromMs, fromMs + FLEET.cadenceMs, FLEET.cadenceMs)) {
      // Hosts take turns.
      const { name } = scrape.host;
      if (!sourceOf.has(name)) sourceOf.set(name, SOURCES[sourceOf.size % SOURCES.length]);
      const source = sourceOf.get(name)!;
      for (const { key, value, timeMs } of messagesOf(scrape, FORMAT)) {
        const line = { source, key, value, timeMs };
        if (random.chance(LATE_SHARE)) held.push({ line, until: number + random.between(1, LATE_SCRAPES) });
        else lines.push(line);
      }
    }
    const due = held.filter(({ until }) => until <= number);
    for (const one of due) {
      lines.push(one.line);
      held.splice(held.indexOf(one), 1);
    }
    yield lines;
  }
}
