import { createDecoder } from '../operators/decode/decoders.js';
import { AvroCodec } from '../schema/avro.js';
import { loadConfiguration } from '../topology/configuration.js';
import { openSink } from '../topology/kafka/connection.js';
import { createTopics } from '../topology/kafka/topics-admin.js';
import { IngestRole } from '../topology/roles/ingest.js';
import { benchJson, benchUuid, randomOf } from './fleet.js';
import {
  BenchInstruments,
  connectionTo,
  drain,
  measure,
  provenance,
  say,
  until,
  type BenchOptions,
} from './harness.js';

const PARTITIONS = 4;
const CADENCE_MS = 10_000;
const START_MS = Date.UTC(2026, 0, 1);
const PER_WRITE = 2_000;

/** Flat wide JSON, one record a message, keyed by GPU, through the ingest role: decoded, re-keyed, acknowledged. */
export async function benchIngest(brokers: string[], options: BenchOptions): Promise<object> {
  const gpus = Number(options.gpus);
  const wanted = Number(options.samples);
  const prefix = `bench${Date.now()}.`;
  const connection = connectionTo(brokers, prefix);
  await createTopics(connection, PARTITIONS, 1);
  const topic = `${prefix}raw`;

  const sink = await openSink(connection, 'bench', 16_000_000, say);
  await sink.partitions(topic);
  const random = randomOf(1);
  let samples = 0;
  let bytes = 0;
  let pending: { topic: string; partition: null; key: string; value: Buffer; timestampMs: number }[] = [];
  for (let time = START_MS; samples < wanted; time += CADENCE_MS)
    for (let gpu = 0; gpu < gpus && samples < wanted; gpu++, samples++) {
      const key = benchUuid(gpu);
      const value = Buffer.from(benchJson(key, gpu, time, random));
      bytes += value.length;
      pending.push({ topic, partition: null, key, value, timestampMs: time });
      if (pending.length < PER_WRITE) continue;
      await sink.write(pending);
      pending = [];
    }
  await sink.write(pending);
  await sink.flush();
  await sink.close();
  say(`prepared ${samples} records of ${Math.round(bytes / samples)} bytes, ${gpus} GPUs`);

  const bare = await measure(() => drain(connection, topic, samples));
  say(`bare: ${Math.round(samples / bare.seconds)} records/s`);

  const config = loadConfiguration({
    environment: {},
    sets: [
      'instance=bench',
      `kafka.topicPrefix=${prefix}`,
      `sources=[{topics: ["${topic}"], format: wide-json-flat, keyed: true}]`,
    ],
  });
  const codec = await AvroCodec.open(null, prefix);
  const instruments = new BenchInstruments();
  let failure: Error | undefined;
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const role = new IngestRole(
    {
      config,
      connection,
      codec,
      instruments,
      decoderOf: ({ format, profUnit }) =>
        createDecoder(format, { profUnit, maxMessageBytes: config.ingest.maxMessageBytes }),
    },
    { log, fail: (error) => (failure = error) },
  );
  const ingested = await measure(async () => {
    await role.start();
    await until(() => failure !== undefined || instruments.samples >= samples);
    await role.stop();
  });
  if (failure !== undefined) throw failure;
  return {
    bench: 'ingest',
    format: 'wide-json-flat',
    gpus,
    samples,
    samplesPerSecond: Math.round(samples / ingested.seconds),
    bareSamplesPerSecond: Math.round(samples / bare.seconds),
    ratio: Number((bare.seconds / ingested.seconds).toFixed(4)),
    cpuMicrosPerSample: Number(((1e6 * ingested.cpuSeconds) / samples).toFixed(3)),
    rssMb: ingested.peakRssMb,
    batchesWritten: instruments.written.get('samples') ?? 0,
    deadLetters: instruments.letters,
    ...provenance(),
  };
}
