import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Instruments } from '../topology/instruments.js';
import type { KafkaConnection } from '../topology/kafka/connection.js';
import { openLog } from '../topology/kafka/connection.js';
import type { LogRecord } from '../topology/kafka/log.js';
import { brokerNeeds, startBroker } from './support/kraft.js';

export interface BenchOptions {
  readonly brokers?: string;
  readonly gpus: string;
  readonly samples: string;
  readonly featureSet?: 'v1' | 'v2';
  readonly json?: boolean;
}

export const say = (line: string): void => console.error(line);

/** Runs on the given brokers, else on one that is started for it. @throws Error saying what is missing for that */
export async function withBroker<T>(brokers: string | undefined, work: (brokers: string[]) => Promise<T>): Promise<T> {
  if (brokers !== undefined) return work(brokers.split(','));
  const missing = await brokerNeeds();
  if (missing !== null) throw new Error(`no --brokers given, and ${missing} is missing to start one`);
  say('starting a KRaft broker');
  const broker = await startBroker();
  try {
    return await work([broker.brokers]);
  } finally {
    await broker.stop();
  }
}

export function connectionTo(brokers: string[], topicPrefix: string): KafkaConnection {
  return { brokers, properties: {}, topicPrefix, instance: 'bench', sessionTimeoutMs: 30_000, embedded: false };
}

/** Reads a topic to a number of records and does nothing with them: the least that any consumer costs. */
export async function drain(
  connection: KafkaConnection,
  topic: string,
  records: number,
  count: (record: LogRecord) => void = () => undefined,
): Promise<void> {
  const log = openLog(connection, 'bench', [topic], say, `bench-drain-${process.hrtime.bigint()}`);
  await log.start({ assigned: () => Promise.resolve([]), revoked: () => Promise.resolve() });
  let seen = 0;
  while (seen < records) {
    const polled = await log.poll(5_000, 1_000);
    for (const record of polled) count(record);
    seen += polled.length;
  }
  await log.close();
}

export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMb: number;
}

/** Wall and CPU time of some work in this process, and the largest memory it was seen with. */
export async function measure(work: () => Promise<void>): Promise<Measured> {
  let peak = process.memoryUsage.rss();
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 100);
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  clearInterval(timer);
  return { seconds, cpuSeconds: (used.user + used.system) / 1e6, peakRssMb: Math.round(peak / 1e6) };
}

/** Waits until a figure stops short of nothing: asked for each 20 ms, for it is part of what is measured. */
export async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await delay(20);
}

/** Where and on what a figure was measured. */
export function provenance(): object {
  let commit: string | null;
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    commit = null;
  }
  return { commit, node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
}

/** Counts what the roles tell of themselves. */
export class BenchInstruments implements Instruments {
  messages = 0;
  samples = 0;
  scoredSamples = 0;
  rows = 0;
  skipped = 0;
  modelSeconds = 0;
  letters = 0;
  readonly written = new Map<string, number>();

  ingested(_source: string, messages: number, samples: number): void {
    this.messages += messages;
    this.samples += samples;
  }
  readingsRejected(): void {}
  deadLettered(_code: string, count: number): void {
    this.letters += count;
  }
  scored(unit: Parameters<Instruments['scored']>[0]): void {
    this.scoredSamples += unit.samples;
    this.rows += unit.rows;
    this.skipped += unit.skippedDuePoints;
    this.modelSeconds += unit.modelSeconds;
  }
  undecided(): void {}
  recordsWritten(topic: string, count: number): void {
    this.written.set(topic, (this.written.get(topic) ?? 0) + count);
  }
  lag(): void {}
  gpusTracked(): void {}
  clientWarning(): void {}
}
