import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { KafkaConfig, SASLOptions } from 'kafkajs';

/** What kafkajs needs to reach a cluster as librdkafka's properties say. */
export type KafkaJsSecurity = Pick<KafkaConfig, 'ssl' | 'sasl'>;

type Properties = Readonly<Record<string, string | number | boolean>>;

/** Properties of librdkafka for which kafkajs has the same thing under another name. */
export const SECURITY_PROPERTIES: ReadonlySet<string> = new Set([
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
 * How kafkajs is to log in and to verify the broker.
 * @returns a text where it cannot as the properties say: what is beyond it, in a few words
 */
export function kafkaJsSecurity(properties: Properties): KafkaJsSecurity | string {
  const protocol = String(properties['security.protocol'] ?? 'plaintext').toLowerCase();
  const sasl = protocol.startsWith('sasl_') ? saslOf(properties) : undefined;
  if (sasl === null) return 'kafka.properties.sasl.mechanism';
  const ssl = protocol.endsWith('ssl') ? tlsOf(properties) : undefined;
  if (ssl === null) return 'TLS without a file in kafka.properties.ssl.ca.location';
  return { ssl, sasl };
}

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
