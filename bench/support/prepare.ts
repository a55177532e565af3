import { AvroCodec } from '../../schema/avro.js';
import { HOUR_MS } from '../../schema/clock.js';
import { SamplesCodec } from '../../schema/samples.js';
import { topicName } from '../../schema/topics.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import { openSink, type KafkaConnection } from '../../topology/kafka/connection.js';
import { benchBatch, gpusByPartition, randomOf } from '../fleet.js';
import type { Cluster } from './cluster.js';
import type { KafkaAdmin } from './kafka-admin.js';
import type { RawShape } from './raw-messages.js';
import { say } from './say.js';

/** Beginning of the steady part of every prepared stream; a whole hour. */
export const START_MS = Date.UTC(2026, 0, 1);
/** Hours of readings that windows can be filled with before. */
export const WINDOW_HOURS = 168;
const PER_WRITE = 2_000;
/** Most samples of a batch of the steady part; ingest made batches of 1,730 to 1,810 in runs of `peers`. */
const SAMPLES_PER_BATCH = 1_250;
/** Hourly readings close an hour each, which costs many times a plain one: a poll of such batches must not take long. */
const PREFILL_SAMPLES_PER_BATCH = 100;

export function connectionTo(cluster: Cluster, topicPrefix: string): KafkaConnection {
  return {
    brokers: cluster.brokers,
    properties: {},
    topicPrefix,
    instance: 'bench',
    sessionTimeoutMs: 30_000,
    guarantee: 'at-least-once',
    bufferBytes: 512e6,
    embedded: cluster.kind === 'embedded',
  };
}

/** A fleet and how often it is read. */
export interface Cadence {
  readonly gpus: number;
  readonly cadenceMs: number;
}

/** When a GPU is read: at its own moment of each period, so that a fleet's readings are spread over it. */
export function eventTimeMs({ gpus, cadenceMs }: Cadence, gpu: number, step: number): number {
  return START_MS + step * cadenceMs + Math.floor((gpu / gpus) * cadenceMs);
}

/** Event minutes of a GPU with a reading in them, summed over the fleet: one features record each is owed. */
export function gpuMinutes(fleet: Cadence, samples: number): number {
  let minutes = 0;
  for (let gpu = 0; gpu < Math.min(fleet.gpus, samples); gpu++) {
    const steps = Math.ceil((samples - gpu) / fleet.gpus);
    let last = NaN;
    for (let step = 0; step < steps; step++) {
      const minute = Math.floor(eventTimeMs(fleet, gpu, step) / 60_000);
      if (minute !== last) minutes++;
      last = minute;
    }
  }
  return minutes;
}

export interface PreparedRaw {
  readonly messages: number;
  readonly samples: number;
  readonly bytesPerMessage: number;
}

/**
 * Writes raw telemetry, keyed, in order of event time.
 * @param firstStep reading that the stream begins with; a negative one lies before START_MS
 */
export async function writeRaw(
  cluster: Cluster,
  topic: string,
  shape: RawShape,
  fleet: Cadence,
  samples: number,
  firstStep = 0,
): Promise<PreparedRaw> {
  const sink = await openSink(connectionTo(cluster, ''), 'bench', 16_000_000, say);
  await sink.partitions(topic);
  const random = randomOf(1);
  let messages = 0;
  let written = 0;
  let bytes = 0;
  let pending: OutputRecord[] = [];
  for (let step = firstStep; written < samples; step++)
    for (let gpu = 0; gpu + shape.gpusPerMessage <= fleet.gpus && written < samples; gpu += shape.gpusPerMessage) {
      const timestampMs = eventTimeMs(fleet, gpu, step);
      const value = Buffer.from(shape.message(gpu, timestampMs, random), 'latin1');
      pending.push({ topic, partition: null, key: shape.key(gpu), value, timestampMs });
      bytes += value.length;
      messages++;
      written += shape.gpusPerMessage;
      if (pending.length < PER_WRITE) continue;
      await sink.write(pending);
      pending = [];
    }
  await sink.write(pending);
  await sink.flush();
  await sink.close();
  const bytesPerMessage = Math.round(bytes / messages);
  say(`prepared ${messages} messages of ${bytesPerMessage} bytes (${shape.format}, ${fleet.gpus} GPUs)`);
  return { messages, samples: written, bytesPerMessage };
}

export interface PreparedBatches {
  readonly batches: number;
  readonly samples: number;
}

/**
 * Writes batches to gpu.samples as ingest does: by GPU's partition, in order of event time.
 * @param periods readings of each GPU, one a period
 */
export async function writeBatches(
  cluster: Cluster,
  topicPrefix: string,
  gpus: number,
  periods: number,
  timeOf: (period: number) => number,
  samplesPerBatch = SAMPLES_PER_BATCH,
): Promise<PreparedBatches> {
  const codec = new SamplesCodec(await AvroCodec.open(null, topicPrefix));
  const topic = topicName(topicPrefix, 'samples');
  const sink = await openSink(connectionTo(cluster, topicPrefix), 'bench', 16_000_000, say);
  const split = gpusByPartition(gpus, await sink.partitions(topic));
  const random = randomOf(2);
  let samples = 0;
  let batches = 0;
  for (let period = 0; period < periods; period++)
    for (const [partition, uuids] of split.entries())
      for (let at = 0; at < uuids.length; at += samplesPerBatch) {
        const batch = benchBatch(uuids.slice(at, at + samplesPerBatch), timeOf(period), samples, random);
        await sink.write([{ topic, partition, key: null, value: codec.encode(batch) }]);
        samples += batch.count;
        batches++;
      }
  await sink.flush();
  await sink.close();
  return { batches, samples };
}

/**
 * Fills the windows with seven days of hourly readings. They are committed, so an engine that starts then does what it
 * does after a restart: it rebuilds its windows from them and says nothing.
 * @param untilMs a whole hour, the first after the readings
 * @returns samples
 */
export async function fillWindows(
  cluster: Cluster,
  admin: KafkaAdmin,
  topicPrefix: string,
  gpus: number,
  untilMs: number,
): Promise<number> {
  const timeOf = (hour: number): number => untilMs - (WINDOW_HOURS - hour) * HOUR_MS;
  const { samples } = await writeBatches(cluster, topicPrefix, gpus, WINDOW_HOURS, timeOf, PREFILL_SAMPLES_PER_BATCH);
  await admin.commitEnds(`${topicPrefix}gpu-actuary.score`, topicName(topicPrefix, 'samples'));
  return samples;
}
