import rdkafka, { type LibrdKafkaError, type Metadata } from 'node-rdkafka';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { clientProperties, type KafkaConnection, type Warn } from './connection.js';
import { letGo } from './disconnect.js';

const CONNECT_TIMEOUT_MS = 20_000;
/** The process cannot end while the client waits for an answer: many short attempts, not a long one. */
const ATTEMPT_MS = 2_000;
const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

/** Version of the client, and what it was compiled with. */
export function clientBuild(): { readonly version: string; readonly features: readonly string[] } {
  return { version: rdkafka.librdkafkaVersion, features: rdkafka.features };
}

/** What this build of the client cannot do, for want of a library when it was compiled; empty if nothing is amiss. */
export function missingFeatures(features: readonly string[] = rdkafka.features): string[] {
  const missing: string[] = CODECS.filter((codec) => !features.includes(codec)).map(
    (codec) => `topics compressed with ${codec} cannot be read`,
  );
  if (!features.includes('ssl')) missing.push('there is no TLS, and so no SASL_SSL and no SCRAM');
  return missing;
}

/** Says what this build of the client cannot do, if anything. */
export function warnOfMissing(warn: Warn): void {
  const missing = missingFeatures();
  if (missing.length > 0)
    warn(
      `librdkafka was compiled without some libraries: ${missing.join('; ')}. ` +
        'Install libzstd-dev and libssl-dev (or what your system calls them), then run: npm rebuild node-rdkafka',
    );
}

/**
 * Knocks at the cluster once, with the properties that every client will have: a mistake in them, a wrong address or
 * a refused login is better met before anything is joined, and told by name.
 * @param say told what is waited for where there is no answer at once
 * @returns partitions of its topics, by name
 * @throws ActuaryError config_invalid where librdkafka does not take the properties, kafka_unreachable
 */
export async function probeCluster(
  connection: KafkaConnection,
  say: Warn,
  timeoutMs = CONNECT_TIMEOUT_MS,
): Promise<ReadonlyMap<string, number>> {
  const until = performance.now() + timeoutMs;
  const where = `Kafka at ${connection.brokers.join(', ')}`;
  // Not every attempt comes far enough to be told why.
  let reason = '';
  for (let attempt = 1; ; attempt++) {
    const answer = await knock(connection, Math.min(ATTEMPT_MS, timeoutMs));
    if ('topics' in answer) return answer.topics;
    reason = better(reason, answer.reason);
    if (performance.now() >= until)
      throw new ActuaryError('kafka_unreachable', `${where}: ${answer.message}${inBrackets(reason)}`);
    if (attempt === 1) say(`waiting for ${where}, up to ${Math.round(timeoutMs / 1000)} s${inBrackets(reason)}`);
  }
}

const inBrackets = (reason: string): string => (reason === '' ? '' : ` (${reason})`);

/** The newer of two reasons; not where it is what OpenSSL alone says, which the client tells beside a plainer one. */
function better(known: string, told: string): string {
  return told === '' || (known !== '' && /: error:[0-9A-F]{8}:/.test(told)) ? known : told;
}

type Answer = { readonly topics: ReadonlyMap<string, number> } | { readonly message: string; readonly reason: string };

/** @returns the topics of a cluster that answers, else that it does not, and why as far as the client told */
async function knock(connection: KafkaConnection, timeoutMs: number): Promise<Answer> {
  let client: rdkafka.Producer;
  try {
    client = new rdkafka.Producer(clientProperties(connection, 'probe'));
  } catch (error) {
    throw new ActuaryError('config_invalid', `kafka.properties: ${messageOf(error)}`, { cause: error });
  }
  // The client itself says only that it ran out of time; why, it tells as it goes.
  let reason = '';
  client.on('event.log', ({ message }: { message: string }) => {
    reason = better(
      reason,
      message.replace(/^\[thrd:[^\]]*\]: /, '').replace(/ \(after \d+ms in state [^)]*(\(s\)[^)]*)?\)$/, ''),
    );
  });
  let metadata: Metadata | undefined;
  const error = await new Promise<LibrdKafkaError | null>((resolve) => {
    client.connect({ timeout: timeoutMs }, (failure, found) => {
      metadata = found;
      resolve(failure);
    });
  });
  letGo(client);
  if (error === null || error === undefined)
    return { topics: new Map(metadata?.topics.map(({ name, partitions }) => [name, partitions.length])) };
  // Refused before anything was sent: properties that do not go together, or that this build has no code for.
  if (error.code === rdkafka.CODES.ERRORS.ERR__STATE)
    throw new ActuaryError('config_invalid', `kafka.properties: ${error.message}`, { cause: error });
  return { message: error.message, reason };
}
