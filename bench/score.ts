import { loadScorer } from '../models/load.js';
import { AvroCodec } from '../schema/avro.js';
import { systemClock } from '../schema/clock.js';
import { SamplesCodec } from '../schema/samples.js';
import { topicName } from '../schema/topics.js';
import { openSink } from '../topology/kafka/connection.js';
import { createTopics } from '../topology/kafka/topics-admin.js';
import { loadConfiguration } from '../topology/configuration.js';
import { ScoreRole } from '../topology/roles/score.js';
import { benchBatch, gpusByPartition, randomOf } from './fleet.js';
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
const SAMPLES_PER_BATCH = 500;
const CADENCE_MS = 10_000;
const START_MS = Date.UTC(2026, 0, 1);

/** gpu.samples through the score role: windows, features, model, health, decisions, outputs acknowledged. */
export async function benchScore(brokers: string[], options: BenchOptions): Promise<object> {
  const gpus = Number(options.gpus);
  const prefix = `bench${Date.now()}.`;
  const connection = connectionTo(brokers, prefix);
  await createTopics(connection, PARTITIONS, 1);
  const codec = await AvroCodec.open(null, prefix);
  const samplesCodec = new SamplesCodec(codec);
  const topic = topicName(prefix, 'samples');

  const sink = await openSink(connection, 'bench', 16_000_000, say);
  const split = gpusByPartition(gpus, PARTITIONS);
  const random = randomOf(1);
  let samples = 0;
  let batches = 0;
  for (let time = START_MS; samples < Number(options.samples); time += CADENCE_MS)
    for (const [partition, uuids] of split.entries())
      for (let at = 0; at < uuids.length; at += SAMPLES_PER_BATCH) {
        const batch = benchBatch(uuids.slice(at, at + SAMPLES_PER_BATCH), time, samples, random);
        await sink.write([{ topic, partition, key: null, value: samplesCodec.encode(batch) }]);
        samples += batch.count;
        batches++;
      }
  await sink.flush();
  await sink.close();
  say(`prepared ${samples} samples of ${gpus} GPUs in ${batches} batches`);

  const bare = await measure(() => drain(connection, topic, batches));
  say(`bare: ${Math.round(samples / bare.seconds)} samples/s`);

  const config = loadConfiguration({ environment: {}, sets: ['instance=bench', `kafka.topicPrefix=${prefix}`] });
  const scorer = await loadScorer(config.model.directory);
  const instruments = new BenchInstruments();
  let failure: Error | undefined;
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const role = new ScoreRole(
    { config, connection, codec, scorer, instruments, clock: systemClock },
    { log, fail: (error) => (failure = error) },
  );
  const scored = await measure(async () => {
    await role.start();
    await until(() => failure !== undefined || instruments.scoredSamples >= samples);
  });
  await role.stop();
  await scorer.close();
  if (failure !== undefined) throw failure;
  return {
    bench: 'score',
    gpus,
    samples,
    samplesPerSecond: Math.round(samples / scored.seconds),
    bareSamplesPerSecond: Math.round(samples / bare.seconds),
    ratio: Number((bare.seconds / scored.seconds).toFixed(4)),
    cpuMicrosPerSample: Number(((1e6 * scored.cpuSeconds) / samples).toFixed(3)),
    rssMb: scored.peakRssMb,
    rowsScored: instruments.rows,
    duePointsSkipped: instruments.skipped,
    modelShare: Number((instruments.modelSeconds / scored.seconds).toFixed(3)),
    recordsWritten: Object.fromEntries(instruments.written),
    model: scorer.modelVersion,
    ...provenance(),
  };
}
