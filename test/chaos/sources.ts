import kafkajs from 'kafkajs';

/** A topic of raw messages, and how it is read. */
export interface RawSource {
  readonly topic: string;
  /** Keyed: shared among the instances, a transaction a partition. Otherwise read in step by one of them. */
  readonly keyed: boolean;
  readonly partitions: readonly number[];
}

/** Both ways of reading; each GPU reports to one of them. */
export const SOURCES: readonly RawSource[] = [
  { topic: 'raw-keyed', keyed: true, partitions: [0, 1, 2, 3] },
  { topic: 'raw-unkeyed', keyed: false, partitions: [0, 1, 2] },
];
/** Put among the batches of gpu.samples: it is none. */
export const NO_BATCH = Buffer.from('no batch');
export const FORMAT = 'wide-json-flat';
export const MAX_MESSAGE_BYTES = 1_000_000;

/** As a setting of the engine that reads them. */
export const SOURCES_SETTING = `sources=${JSON.stringify(
  SOURCES.map(({ topic, keyed }) => ({ topics: [topic], format: FORMAT, keyed })),
)}`;

export async function createSources(brokers: string): Promise<void> {
  const { Kafka, logLevel } = kafkajs;
  const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.createTopics({
      // Whoever writes waits until the topic shows up.
      waitForLeaders: false,
      topics: SOURCES.map(({ topic, partitions }) => ({ topic, numPartitions: partitions.length })),
    });
  } finally {
    await admin.disconnect();
  }
}
