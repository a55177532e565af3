import { topicName } from '../schema/topics.js';
import { createTopics } from '../topology/kafka/topics-admin.js';
import type { Cluster } from './support/cluster.js';
import { KafkaAdmin } from './support/kafka-admin.js';
import type { ThroughputOptions } from './support/options.js';
import { connectionTo, START_MS, writeBatches } from './support/prepare.js';
import { FEATURES_EVERY_MS, THROUGHPUT_CONFIG } from './support/raw-question.js';
import { measureThroughput } from './support/throughput.js';
import { say } from './support/say.js';

/** Batches of gpu.samples through the score role: windows, features, model, health, decisions, acknowledged. */
export async function benchScore(cluster: Cluster, options: ThroughputOptions): Promise<object> {
  const { gpus, cadenceMs } = options;
  const admin = await KafkaAdmin.open(cluster);
  const bareTopicPrefix = `bench-${Date.now()}-bare.`;
  const periods = Math.ceil(options.samples / gpus);
  const timeOf = (period: number): number => START_MS + period * cadenceMs;
  const write = (topicPrefix: string) => writeBatches(cluster, topicPrefix, gpus, periods, timeOf);
  try {
    // The state of a run is bound to its topics, so each repeat has a copy of the stream; bare, they share one.
    if (cluster.kind !== 'embedded') await createTopics(connectionTo(cluster, bareTopicPrefix), options.partitions, -1);
    const { samples, batches } = await write(bareTopicPrefix);
    say(`prepared ${samples} samples of ${gpus} GPUs in ${batches} batches`);
    return await measureThroughput(
      cluster,
      admin,
      {
        bench: 'score',
        roles: ['score'],
        bare: { topic: topicName(bareTopicPrefix, 'samples'), client: 'node-rdkafka', records: batches },
        parsed: false,
        samples,
        run: {
          prefill: options.prefill ?? false,
          config: THROUGHPUT_CONFIG,
          prepare: async (prefix) => void (await write(prefix)),
        },
        featureRecordsOwed: gpus * Math.ceil((periods * cadenceMs) / FEATURES_EVERY_MS),
        more: () => ({ samplesPerBatch: Math.round(samples / batches) }),
      },
      options,
    );
  } finally {
    await admin.close();
  }
}
