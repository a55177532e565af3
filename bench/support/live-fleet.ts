import rdkafka from 'node-rdkafka';
import { benchJson, benchUuid, randomOf } from '../fleet.js';
import type { Cluster } from './cluster.js';

/** How the readings of a round are spread: over how much of the period. */
export interface Round {
  readonly startMs: number;
  readonly spreadMs: number;
}

const TICK_MS = 5;
/** What a GPU that is about to fail sends in place of the quiet counts at the end of a message. */
const QUIET = '"ecc_sbe":0,"ecc_dbe":0}';
const FAILING = '"ecc_sbe":60,"ecc_dbe":3,"remap_failure":1,"xid":79}';

/** A fleet that lives by the wall clock: each GPU is read once a round, at its own moment of it. */
export class LiveFleet {
  readonly uuids: readonly string[];
  private readonly producer: rdkafka.Producer;
  private readonly random = randomOf(3);
  private readonly failing = new Set<number>();
  /** Longest that a reading was sent after its time, ms: above a few tens the benchmark itself was late. */
  latestMs = 0;

  constructor(
    cluster: Cluster,
    private readonly topic: string,
    gpus: number,
    private readonly onSent: (gpu: number, round: number, atMs: number) => void,
  ) {
    this.uuids = Array.from({ length: gpus }, (_, gpu) => benchUuid(gpu));
    this.producer = new rdkafka.Producer(
      // Each reading goes on its way at once, as it does from a host that sends one now and then.
      { 'metadata.broker.list': cluster.brokers.join(','), 'linger.ms': 0 },
      { partitioner: 'murmur2_random' },
    );
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.producer.connect({}, (error) => {
        if (error) reject(new Error(error.message));
        else {
          this.producer.setPollInterval(100);
          resolve();
        }
      }),
    );
  }

  /** From its next reading on a GPU shows faults, for that one reading. */
  fail(gpu: number): void {
    this.failing.add(gpu);
  }

  /** When a GPU is read in a round. */
  timeOf({ startMs, spreadMs }: Round, gpu: number): number {
    return startMs + Math.floor((gpu / this.uuids.length) * spreadMs);
  }

  /** Sends a round; resolves when all of it is sent. */
  sendRound(number: number, round: Round): Promise<void> {
    let gpu = 0;
    return new Promise((resolve, reject) => {
      const timer = setInterval(() => {
        try {
          for (; gpu < this.uuids.length && this.timeOf(round, gpu) <= Date.now(); gpu++) this.send(number, round, gpu);
        } catch (error) {
          clearInterval(timer);
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        if (gpu < this.uuids.length) return;
        clearInterval(timer);
        resolve();
      }, TICK_MS);
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.producer.disconnect(() => resolve()));
  }

  private send(number: number, round: Round, gpu: number): void {
    const timeMs = this.timeOf(round, gpu);
    let message = benchJson(this.uuids[gpu], gpu, timeMs, this.random);
    if (this.failing.delete(gpu)) message = message.replace(QUIET, FAILING);
    const nowMs = performance.timeOrigin + performance.now();
    this.latestMs = Math.max(this.latestMs, nowMs - timeMs);
    this.onSent(gpu, number, nowMs);
    this.producer.produce(this.topic, null, Buffer.from(message, 'latin1'), this.uuids[gpu], timeMs);
  }
}
