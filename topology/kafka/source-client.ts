import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { KafkaConfig, SASLOptions } from 'kafkajs';

/** What kafkajs needs to reach a cluster as the properties say. */
export type KafkaJsSecurity = Pick<KafkaConfig, 'ssl' | 'sasl'>;

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

/** Of librdkafka, for which kafkajs has the same thing under another name. */
const SECURITY: ReadonlySet<string> = new Set([
  'enable.ssl.certificate.verification',
  'sasl.mechanism',
  'sasl.mechanisms',
  'sasl.password',
  'sasl.username',
  'security.protocol',
  'ssl.ca.location',
  'ssl.ca.pem',
  'ssl.certificate.location',
  'ssl.certificate.pem',
  'ssl.endpoint.identification.algorithm',
  'ssl.key.location',
  'ssl.key.password',
  'ssl.key.pem',
]);

/**
 * The client to read a source with. kafkajs takes half the CPU for many small messages; node-rdkafka takes whatever
 * librdkafka knows. A source that is read in step stays with node-rdkafka, which knows when the end of a partition is
 * reached whatever transactions wrote there.
 * @param properties of librdkafka, as in kafka.properties
 */
export function sourceClient(properties: Properties, keyed: boolean): SourceClient {
  if (!keyed) return beyond('reading in step');
  const foreign = Object.keys(properties).find((key) => !PRODUCER_ONLY.has(key) && !SECURITY.has(key));
  if (foreign !== undefined) return beyond(`kafka.properties.${foreign}`);
  const protocol = String(properties['security.protocol'] ?? 'plaintext').toLowerCase();
  const sasl = protocol.startsWith('sasl_') ? saslOf(properties) : undefined;
  if (sasl === null) return beyond('kafka.properties.sasl.mechanism');
  const ssl = protocol.endsWith('ssl') ? tlsOf(properties) : undefined;
  if (ssl === null) return beyond('TLS without a file in kafka.properties.ssl.ca.location');
  return { name: 'kafkajs', security: { ssl, sasl } };
}

const beyond = (because: string): SourceClient => ({ name: 'node-rdkafka', because });

/** @returns null for a mechanism that kafkajs lacks, or that needs more than a name and a password */
function saslOf(properties: Properties): SASLOptions | null {
  const mechanism = String(properties['sasl.mechanism'] ?? properties['sasl.mechanisms'] ?? 'GSSAPI').toLowerCase();
  if (mechanism !== 'plain' && mechanism !== 'scram-sha-256' && mechanism !== 'scram-sha-512') return null;
  return {
    mechanism,
    username: String(properties['sasl.username'] ?? ''),
    password: String(properties['sasl.password'] ?? ''),
  };
}

/**
 * @returns null where nothing says who vouches for the broker, or a directory does: librdkafka then asks the system's
 *   authorities, which are not the ones that Node brings along
 */
function tlsOf(properties: Properties): ConnectionOptions | null {
  const verify = String(properties['enable.ssl.certificate.verification'] ?? true) !== 'false';
  const ca = pem(properties, 'ssl.ca');
  if (ca === undefined && verify) return null;
  const named = String(properties['ssl.endpoint.identification.algorithm'] ?? 'https') !== 'none';
  return {
    ca,
    cert: pem(properties, 'ssl.certificate'),
    key: pem(properties, 'ssl.key'),
    passphrase: properties['ssl.key.password'] as string | undefined,
    rejectUnauthorized: verify,
    ...(named ? {} : { checkServerIdentity: () => undefined }),
  };
}

/** The text itself or what its file holds; undefined for none and for what is not a file. */
function pem(properties: Properties, prefix: string): string | undefined {
  const text = properties[`${prefix}.pem`];
  if (text !== undefined) return String(text);
  const file = properties[`${prefix}.location`];
  if (file === undefined) return undefined;
  try {
    return readFileSync(String(file), 'utf8');
  } catch {
    // librdkafka, which connects with the same properties, says what is wrong with it.
    return undefined;
  }
}
