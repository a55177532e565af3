import { KafkaSink, type OutputRecord } from '../../sinks/kafka.js';
import { benchJson, benchUuid, randomOf } from '../fleet.js';
import type { Cluster } from './cluster.js';
import { say } from './say.js';

const PER_WRITE = 2_000;
const TICK_MS = 10;
const MAX_MESSAGE_BYTES = 1_000_000;

/** A fleet's flat JSON into a raw topic: as fast as the broker takes it, or at a rate. Event times never go back. */
export class Telemetry {
  private readonly random = randomOf(5);
  private gpu = 0;
  /** Messages written, each a sample. */
  written = 0;

  private constructor(
    private readonly sink: KafkaSink,
    private readonly topic: string,
    private readonly gpus: number,
  ) {}

  static async open(cluster: Cluster, topic: string, gpus: number): Promise<Telemetry> {
    const sink = new KafkaSink({
      ...{ brokers: cluster.brokers, properties: {}, clientId: 'bench-telemetry', maxMessageBytes: MAX_MESSAGE_BYTES },
      onTransientError: say,
    });
    await sink.open();
    await sink.partitions(topic);
    return new Telemetry(sink, topic, gpus);
  }

  /** What was not read while nobody was there: each GPU once a cadence, from a time on, before another. */
  async past(fromMs: number, untilMs: number, cadenceMs: number): Promise<void> {
    const stepMs = cadenceMs / this.gpus;
    let pending: OutputRecord[] = [];
    for (let count = 0; fromMs + count * stepMs < untilMs; count++) {
      pending.push(this.next(Math.floor(fromMs + count * stepMs)));
      if (pending.length < PER_WRITE) continue;
      await this.sink.write(pending);
      pending = [];
    }
    await this.sink.write(pending);
    await this.sink.flush();
  }

  /**
   * A fleet that lives by the wall clock.
   * @returns samples a second that were written: fewer than asked for where this machine makes no more
   */
  async live(perSecond: number, forMs: number): Promise<number> {
    const beganMs = Date.now();
    let sent = 0;
    while (Date.now() - beganMs < forMs) {
      const due = Math.floor(((Date.now() - beganMs) / 1000) * perSecond);
      const records: OutputRecord[] = [];
      for (; sent < due && records.length < PER_WRITE; sent++)
        records.push(this.next(beganMs + Math.floor((1000 * sent) / perSecond)));
      await this.sink.write(records);
      if (sent >= due) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await this.sink.flush();
    return (1000 * sent) / (Date.now() - beganMs);
  }

  close(): Promise<void> {
    return this.sink.close();
  }

  private next(timestampMs: number): OutputRecord {
    const gpu = this.gpu;
    this.gpu = (gpu + 1) % this.gpus;
    this.written++;
    const uuid = benchUuid(gpu);
    const value = Buffer.from(benchJson(uuid, gpu, timestampMs, this.random), 'latin1');
    return { topic: this.topic, partition: null, key: uuid, value, timestampMs };
  }
}
