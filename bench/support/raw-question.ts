import type { RoleName } from '../../topology/runtime.js';
import type { Cluster } from './cluster.js';
import { KafkaAdmin } from './kafka-admin.js';
import type { ThroughputOptions } from './options.js';
import { gpuMinutes, writeRaw } from './prepare.js';
import { RAW_SHAPES } from './raw-messages.js';
import { significant } from './statistics.js';
import { measureThroughput } from './throughput.js';

/** Features records of throughput runs: one a GPU and event minute. */
export const FEATURES_EVERY_MS = 60_000;

/** The configuration of throughput runs beside what differs between them: all else is as it comes. */
export const THROUGHPUT_CONFIG = { features: { everyMs: FEATURES_EVERY_MS } };

/** Prepares raw messages once and measures roles on them, repeat by repeat. */
export async function openQuestion(
  cluster: Cluster,
  options: ThroughputOptions & { format: string },
  { bench, roles, scores }: { bench: string; roles: readonly RoleName[]; scores: boolean },
): Promise<object> {
  const shape = RAW_SHAPES.find(({ format }) => format === options.format)!;
  const admin = await KafkaAdmin.open(cluster);
  const topic = `bench-${Date.now()}-raw`;
  try {
    await admin.createTopic(topic, options.partitions);
    const raw = await writeRaw(cluster, topic, shape, options, options.samples);
    return await measureThroughput(
      cluster,
      admin,
      {
        bench,
        roles,
        bare: { topic, client: 'kafkajs', records: raw.messages },
        parsed: shape.parsed,
        samples: raw.samples,
        run: {
          prefill: false,
          config: { ...THROUGHPUT_CONFIG, sources: [{ topics: [topic], format: shape.format, keyed: true }] },
          ...(scores
            ? {}
            : {
                done: async (prefix: string) =>
                  shape.gpusPerMessage * (await admin.committed(`${prefix}gpu-actuary.ingest`, topic)),
              }),
        },
        featureRecordsOwed: scores ? gpuMinutes(options, raw.samples) : null,
        more: (perSecond) => ({
          format: shape.format,
          bytesPerMessage: raw.bytesPerMessage,
          messagesPerSecond: significant(perSecond / shape.gpusPerMessage),
          readingsPerSecond: significant(perSecond * shape.readingsPerGpu),
          megabytesPerSecond: significant((perSecond / shape.gpusPerMessage) * (raw.bytesPerMessage / 1e6), 3),
        }),
      },
      options,
    );
  } finally {
    await admin.tidyUp([topic]);
    await admin.close();
  }
}
