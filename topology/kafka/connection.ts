import type { Config } from '../../schema/config.js';
import { KafkaSink } from '../../sinks/kafka.js';
import { TransactionalSink } from '../../sinks/kafka-transactions.js';
import { bufferBytesOf, producerKilobytes } from './buffers.js';
import { GroupOffsets } from './group-offsets.js';
import { KafkaJsLog } from './kafkajs-log.js';
import type { BlockConsumer, TopicPartition } from './log.js';
import type { OffsetGap } from './offset-gap.js';
import { RdKafkaLog } from './rdkafka-log.js';
import { RecordLists } from './record-lists.js';
import type { SourceClient } from './source-client.js';
import { PlainSource, SourceTransactions, type SourceWriter } from './source-writer.js';
import { PlainWriter, TransactionalWriter, type UnitWriter } from './unit-writer.js';

/**
 * How this process reaches the cluster: the one place where configuration becomes client properties, names of groups
 * and client ids.
 */
export interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly properties: Readonly<Record<string, string | number | boolean>>;
  readonly topicPrefix: string;
  readonly instance: string;
  readonly sessionTimeoutMs: number;
  /** Members of the groups of score and load go by the name of the instance, and may come back under it. */
  readonly staticMembership?: boolean;
  readonly guarantee: Config['kafka']['guarantee'];
  /** What may be held of what was read and is not written yet, by whoever has this connection (memory.bufferMb). */
  readonly bufferBytes: number;
  /** True for the in-process cluster of the demo, which cannot create topics by request. */
  readonly embedded: boolean;
  /** Told of what was gone before a role read it. */
  readonly onGap?: (role: string, gap: OffsetGap) => void;
}

export function connectionOf(config: Config, embedded = false): KafkaConnection {
  return {
    brokers: config.kafka.brokers,
    properties: config.kafka.properties,
    topicPrefix: config.kafka.topicPrefix,
    instance: config.instance,
    sessionTimeoutMs: config.kafka.sessionTimeoutMs,
    staticMembership: config.kafka.staticMembership,
    // The in-process cluster takes transactions and isolates none: what was aborted would be read.
    guarantee: embedded ? 'at-least-once' : config.kafka.guarantee,
    bufferBytes: bufferBytesOf(config),
    embedded,
  };
}

export type Warn = (message: string) => void;

/** Bare librdkafka properties of a client that is neither producer nor group member (admin, metadata). */
export function clientProperties(
  connection: KafkaConnection,
  purpose: string,
): Record<string, string | number | boolean> {
  return {
    ...connection.properties,
    'metadata.broker.list': connection.brokers.join(','),
    'client.id': `${connection.topicPrefix}gpu-actuary.${purpose}.${connection.instance}`,
  };
}

/** Roles of which a process has one member in the group: a second one of the same name would fence the first. */
const STATIC_ROLES: ReadonlySet<string> = new Set(['score', 'load']);

/** A member of the group gpu-actuary.<role>. */
export function openLog(
  connection: KafkaConnection,
  role: string,
  topics: readonly string[],
  warn: Warn,
  group = `${connection.topicPrefix}gpu-actuary.${role}`,
): RdKafkaLog {
  return new RdKafkaLog({
    brokers: connection.brokers,
    properties: connection.properties,
    group,
    clientId: `${connection.topicPrefix}gpu-actuary.${role}.${connection.instance}`,
    topics,
    sessionTimeoutMs: connection.sessionTimeoutMs,
    bufferBytes: connection.bufferBytes,
    groupInstanceId: connection.staticMembership && STATIC_ROLES.has(role) ? connection.instance : undefined,
    onTransientError: warn,
    onGap: (gap) => connection.onGap?.(role, gap),
  });
}

/** A producer for a role; opened, to be closed by the caller. @throws ActuaryError kafka_unreachable */
export async function openSink(
  connection: KafkaConnection,
  role: string,
  maxMessageBytes: number,
  warn: Warn,
): Promise<KafkaSink> {
  const sink = new KafkaSink({
    brokers: connection.brokers,
    properties: connection.properties,
    clientId: `${connection.topicPrefix}gpu-actuary.${role}.${connection.instance}`,
    maxMessageBytes,
    queueKilobytes: producerKilobytes(connection.bufferBytes, maxMessageBytes),
    onTransientError: warn,
  });
  await sink.open();
  return sink;
}

/**
 * What writes the units of work of a role, with the offsets of its consumer, under the configured guarantee; opened, to
 * be closed by the caller.
 * @param name of the writer among those of the process, as in its transactional id
 * @param stopping ends its waiting for a broker that does not answer
 * @throws ActuaryError kafka_unreachable, transaction_failed
 */
export async function openWriter(
  connection: KafkaConnection,
  role: string,
  name: string,
  maxMessageBytes: number,
  consumer: RdKafkaLog,
  warn: Warn,
  stopping: () => boolean,
): Promise<UnitWriter> {
  if (connection.guarantee === 'at-least-once')
    return new PlainWriter(await openSink(connection, name, maxMessageBytes, warn), consumer);
  const sink = new TransactionalSink({
    brokers: connection.brokers,
    properties: connection.properties,
    clientId: `${connection.topicPrefix}gpu-actuary.${name}.${connection.instance}`,
    transactionalId: `${connection.topicPrefix}gpu-actuary.${name}.${connection.instance}`,
    name: role,
    maxMessageBytes,
    queueKilobytes: producerKilobytes(connection.bufferBytes, maxMessageBytes),
    onTransientError: warn,
    stopping,
  });
  await sink.open();
  return new TransactionalWriter(sink, consumer);
}

/** How a source is read, and how what it gives is written. */
export interface SourceParts {
  readonly consumer: BlockConsumer;
  readonly writer: SourceWriter;
  /** Shares of a source are partitions: each has a transaction of its own. Otherwise all of it is one share. */
  readonly byPartition: boolean;
}

export interface SourceQuestion {
  readonly topics: readonly string[];
  readonly keyed: boolean;
  readonly client: SourceClient;
  readonly maxMessageBytes: number;
  /** Writes what is written at least once. */
  readonly sink: KafkaSink;
  readonly warn: Warn;
  /** Ends the waiting for a broker that does not answer. */
  readonly stopping: () => boolean;
}

/**
 * A member of the ingest group that reads a source, and its writer; both to be closed by the caller. Transactional ids
 * are the same for whoever reads: `<group>/<topic>/<partition>`, or `<group>/<topics>` where one instance reads all in
 * step. No topic's name has a slash.
 * @throws ActuaryError kafka_unreachable
 */
export async function openSource(connection: KafkaConnection, question: SourceQuestion): Promise<SourceParts> {
  const { topics, keyed, client, warn, sink } = question;
  const group = `${connection.topicPrefix}gpu-actuary.ingest`;
  const clientId = `${group}.${connection.instance}`;
  const common = {
    brokers: connection.brokers,
    group,
    clientId,
    topics,
    sessionTimeoutMs: connection.sessionTimeoutMs,
    bufferBytes: connection.bufferBytes,
    onTransientError: warn,
    onGap: (gap: OffsetGap) => connection.onGap?.('ingest', gap),
  };
  const { properties } = connection;
  if (connection.guarantee === 'at-least-once') {
    const consumer =
      client.name === 'kafkajs'
        ? new KafkaJsLog({ ...common, security: client.security })
        : new RecordLists(new RdKafkaLog({ ...common, properties }));
    return { consumer, writer: new PlainSource(sink, consumer), byPartition: false };
  }
  const { brokers } = connection;
  const offsets = new GroupOffsets({ brokers, properties, group, clientId, onTransientError: warn });
  await offsets.open();
  const writer = new SourceTransactions(
    keyed ? ({ topic, partition }) => `${topic}/${partition}` : () => topics.join('+'),
    (name) =>
      new TransactionalSink({
        brokers,
        properties,
        clientId: `${clientId}.${name}`,
        transactionalId: `${group}/${name}`,
        name: 'ingest',
        maxMessageBytes: question.maxMessageBytes,
        queueKilobytes: producerKilobytes(connection.bufferBytes, question.maxMessageBytes),
        onTransientError: warn,
        stopping: question.stopping,
      }),
    offsets,
  );
  const fence = (partitions: readonly TopicPartition[]): Promise<void> => writer.fence(partitions);
  const consumer =
    client.name === 'kafkajs'
      ? new KafkaJsLog({
          ...common,
          security: client.security,
          committed: async (partitions) => {
            await fence(partitions);
            return offsets.committed(partitions);
          },
        })
      : new RecordLists(new RdKafkaLog({ ...common, properties, fence }));
  return { consumer, writer, byPartition: keyed };
}
