import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaSink } from '../../sinks/kafka.js';
import type { Fleet } from '../../simulator/fleet.js';
import type { Scrape } from '../../simulator/telemetry.js';
import { messagesOf, type SimulatedFormat } from '../../simulator/messages.js';
import { topicName, type TopicKey } from '../../schema/topics.js';
import { partitionOf } from '../../schema/partition.js';
import { EMBEDDED_PARTITIONS } from '../embedded/kafka.js';
import { openSink, type KafkaConnection } from '../kafka/connection.js';
import { LagProbe } from '../kafka/lag-probe.js';

/** Topics of the simulated collectors: half of the hosts send wide JSON, half exposition text. */
export const DEMO_TOPICS = { json: 'gpu-metrics-raw', text: 'dcgm-scrapes' } as const;

/**
 * The embedded cluster forgets what is beyond 5 MiB a partition, read or not: so much of a partition, and so many
 * samples in all, are written before every reader has caught up.
 */
const BYTES_AHEAD = 3 * 1024 * 1024;
const SAMPLES_AHEAD = 12_000;
const CATCH_UP_POLL_MS = 25;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const LOADED: readonly TopicKey[] = ['samples', 'features', 'predictions', 'health', 'decisions'];

/** Plays the fleet's collectors: the past as fast as it is read, then the present. */
export class DemoTelemetry {
  private sink: KafkaSink | undefined;
  private readonly probes: LagProbe[];
  private closed = false;
  private working: Promise<void> = Promise.resolve();
  /** Bytes written since the readers had caught up, by topic and partition. */
  private readonly bytesAhead = new Map<string, number>();

  constructor(
    private readonly fleet: Fleet,
    private readonly connection: KafkaConnection,
  ) {
    const group = (role: string): string => `${connection.topicPrefix}gpu-actuary.${role}`;
    this.probes = [
      new LagProbe(connection, group('ingest'), Object.values(DEMO_TOPICS)),
      new LagProbe(connection, group('score'), [topicName(connection.topicPrefix, 'samples')]),
      new LagProbe(
        connection,
        group('load'),
        LOADED.map((key) => topicName(connection.topicPrefix, key)),
      ),
    ];
  }

  async open(): Promise<void> {
    this.sink = await openSink(this.connection, 'demo', MAX_MESSAGE_BYTES, () => undefined);
    for (const topic of Object.values(DEMO_TOPICS)) await this.sink.partitions(topic);
    for (const probe of this.probes) await probe.open();
  }

  /** Writes the fleet's history. @param progress told the share that is through, 0–1, and samples so far */
  writeHistory(progress: (share: number, samples: number) => void): Promise<void> {
    return (this.working = this.history(progress));
  }

  private async history(progress: (share: number, samples: number) => void): Promise<void> {
    const { startMs } = this.fleet.options;
    let ahead = 0;
    let samples = 0;
    for (const scrape of this.fleet.scrapes()) {
      const count = await this.write(scrape);
      ahead += count;
      samples += count;
      if (ahead < SAMPLES_AHEAD && Math.max(...this.bytesAhead.values()) < BYTES_AHEAD) continue;
      await this.untilRead();
      if (this.closed) return;
      ahead = 0;
      progress((scrape.timeMs - startMs) / (this.fleet.endMs - startMs), samples);
    }
    await this.untilRead();
    progress(1, samples);
  }

  /** Goes on where the history ended, so many times as fast as the clock; until closed. */
  live(speed: number, cadenceMs: number): Promise<void> {
    return (this.working = this.present(speed, cadenceMs));
  }

  private async present(speed: number, cadenceMs: number): Promise<void> {
    const fromMs = this.fleet.endMs;
    const started = performance.now();
    const eventNow = (): number => fromMs + (performance.now() - started) * speed;
    for (const scrape of this.fleet.scrapesBetween(fromMs, Infinity, cadenceMs)) {
      while (!this.closed && scrape.timeMs > eventNow())
        await delay(Math.min(1_000, Math.max(1, (scrape.timeMs - eventNow()) / speed)));
      if (this.closed) return;
      await this.write(scrape);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    // A client that is closed with a question under way never says that it is.
    await this.working.catch(() => undefined);
    await this.sink?.close();
    for (const probe of this.probes) await probe.close();
  }

  private async write(scrape: Scrape): Promise<number> {
    const format: SimulatedFormat = scrape.host.index % 2 === 0 ? 'prometheus-text' : 'wide-json';
    const topic = format === 'prometheus-text' ? DEMO_TOPICS.text : DEMO_TOPICS.json;
    const messages = [...messagesOf(scrape, format)];
    for (const { key, value } of messages) {
      const partition = `${topic}/${partitionOf(key, EMBEDDED_PARTITIONS)}`;
      this.bytesAhead.set(partition, (this.bytesAhead.get(partition) ?? 0) + value.length);
    }
    await this.sink!.write(
      messages.map(({ key, value, timeMs }) => ({
        topic,
        partition: null,
        key,
        value: Buffer.from(value),
        timestampMs: timeMs,
      })),
    );
    return messages.reduce((sum, message) => sum + message.samples, 0);
  }

  private async untilRead(): Promise<void> {
    await this.sink!.flush();
    this.bytesAhead.clear();
    for (const probe of this.probes) while (!this.closed && (await probe.lag()) > 0) await delay(CATCH_UP_POLL_MS);
  }
}
