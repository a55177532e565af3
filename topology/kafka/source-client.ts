import { kafkaJsSecurity, SECURITY_PROPERTIES, type KafkaJsSecurity } from './kafkajs-security.js';

/** The client library a source is read with. */
export type SourceClient =
  | { readonly name: 'kafkajs'; readonly security: KafkaJsSecurity }
  /** @param because what has it that kafkajs has not, in a few words */
  | { readonly name: 'node-rdkafka'; readonly because: string };

type Properties = Readonly<Record<string, string | number | boolean>>;

/** Of librdkafka, that concern writing alone, which is librdkafka's whoever reads (the P column of its CONFIGURATION.md). */
const PRODUCER_ONLY: ReadonlySet<string> = new Set([
  'acks',
  'batch.num.messages',
  'batch.size',
  'compression.codec',
  'compression.level',
  'compression.type',
  'delivery.report.only.error',
  'delivery.timeout.ms',
  'enable.gapless.guarantee',
  'enable.idempotence',
  'linger.ms',
  'message.send.max.retries',
  'message.timeout.ms',
  'partitioner',
  'queue.buffering.backpressure.threshold',
  'queue.buffering.max.kbytes',
  'queue.buffering.max.messages',
  'queue.buffering.max.ms',
  'queuing.strategy',
  'request.required.acks',
  'request.timeout.ms',
  'retries',
  'sticky.partitioning.linger.ms',
  'transaction.timeout.ms',
]);

/**
 * The client to read a source with. kafkajs takes half the CPU for many small messages; node-rdkafka takes whatever
 * librdkafka knows. A source that is read in step stays with node-rdkafka, which knows when the end of a partition is
 * reached whatever transactions wrote there.
 * @param properties of librdkafka, as in kafka.properties
 */
export function sourceClient(properties: Properties, keyed: boolean): SourceClient {
  if (!keyed) return beyond('reading in step');
  const foreign = Object.keys(properties).find((key) => !PRODUCER_ONLY.has(key) && !SECURITY_PROPERTIES.has(key));
  if (foreign !== undefined) return beyond(`kafka.properties.${foreign}`);
  const security = kafkaJsSecurity(properties);
  return typeof security === 'string' ? beyond(security) : { name: 'kafkajs', security };
}

const beyond = (because: string): SourceClient => ({ name: 'node-rdkafka', because });
