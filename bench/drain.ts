import { parseArgs } from 'node:util';
import kafkajs from 'kafkajs';
import rdkafka from 'node-rdkafka';

/**
 * A bare consumer, a process of its own: reads a topic by a client library, does nothing with the bytes or parses them
 * as JSON, and prints how many records it has read, a line ten times a second. None of the engine's code.
 */
const { values } = parseArgs({
  options: {
    brokers: { type: 'string' },
    topic: { type: 'string' },
    group: { type: 'string' },
    client: { type: 'string' },
    parse: { type: 'boolean', default: false },
  },
});
const { brokers, topic, group, client, parse } = values as {
  [name in keyof typeof values]-?: (typeof values)[name];
} & {
  brokers: string;
  topic: string;
  group: string;
};
const FETCH_BYTES = 2 * 1024 * 1024;

let records = 0;
/** Something that depends on every parse, so that none can be left out. */
let fields = 0;

function take(value: Buffer | null): void {
  records++;
  if (parse && value !== null) fields += Object.keys(JSON.parse(value.toString('utf8')) as object).length;
}

async function byKafkaJs(): Promise<void> {
  const { Kafka, logLevel } = kafkajs;
  const consumer = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).consumer({
    groupId: group,
    maxWaitTimeInMs: 100,
    maxBytesPerPartition: FETCH_BYTES,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 16,
    eachBatch: ({ batch }) => {
      for (const { value } of batch.messages) take(value);
      return Promise.resolve();
    },
  });
}

function byRdKafka(): void {
  const consumer = new rdkafka.KafkaConsumer(
    {
      'metadata.broker.list': brokers,
      'group.id': group,
      'enable.auto.commit': false,
      'fetch.message.max.bytes': FETCH_BYTES,
      'queued.max.messages.kbytes': 131_072,
    },
    { 'auto.offset.reset': 'earliest' },
  );
  consumer.connect({}, (error) => {
    if (error) throw new Error(error.message);
    consumer.setDefaultConsumeTimeout(50);
    consumer.subscribe([topic]);
    const next = (): void =>
      consumer.consume(1_000, (failure, messages) => {
        if (failure) throw new Error(failure.message);
        for (const { value } of messages) take(value);
        next();
      });
    next();
  });
}

setInterval(() => process.stdout.write(`${JSON.stringify({ records, fields })}\n`), 100);
if (client === 'kafkajs') await byKafkaJs();
else byRdKafka();
