import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type IHeaders, type KafkaConfig } from 'kafkajs';

const { Kafka, KafkaJSBrokerNotFound, logLevel } = kafkajs;

export interface Read {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** When it was written, epoch ms. */
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, string>;
}

/** An independent Kafka client: none of the engine's code between a test and the broker. */
export class TestClient {
  private readonly kafka;

  /** @param security as kafkajs takes it: `ssl`, `sasl` */
  constructor(brokers: readonly string[], security: Pick<KafkaConfig, 'ssl' | 'sasl'> = {}) {
    this.kafka = new Kafka({
      brokers: [...brokers],
      logLevel: logLevel.NOTHING,
      retry: { retries: 20 },
      ...security,
    });
  }

  /** What a group has committed of a topic, by partition. */
  async committed(group: string, topic: string): Promise<Map<number, number>> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      return new Map(partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    } finally {
      await admin.disconnect();
    }
  }

  /** The topic is created where there is none, as the broker has it by default. */
  async produce(
    topic: string,
    messages: readonly {
      key?: string | null;
      value: string | Buffer | null;
      timestampMs?: number;
      partition?: number;
    }[],
  ): Promise<void> {
    const created = await this.create(topic);
    const producer = this.kafka.producer({ allowAutoTopicCreation: true, idempotent: created, maxInFlightRequests: 1 });
    await producer.connect();
    await producer.send({
      topic,
      messages: messages.map(({ key = null, value, timestampMs, partition }) => ({
        key,
        value,
        partition,
        timestamp: timestampMs === undefined ? undefined : String(timestampMs),
      })),
    });
    await producer.disconnect();
  }

  /**
   * To be done before anything is written: where the leader of a new partition is not ready yet, the client repeats the
   * whole request, and what the other partitions took stands there twice, unless its producer is idempotent.
   * @returns whether there is a controller, which gives an idempotent producer its id
   */
  private async create(topic: string): Promise<boolean> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      await admin.createTopics({ topics: [{ topic }], waitForLeaders: true });
      return true;
    } catch (error) {
      // The embedded cluster has no controller to ask: it creates topics when they are written to, whole.
      if (!(error instanceof KafkaJSBrokerNotFound)) throw error;
      return false;
    } finally {
      await admin.disconnect();
    }
  }

  /** Records that a topic holds, as its offsets tell. */
  async count(topic: string): Promise<number> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      const offsets = await admin.fetchTopicOffsets(topic);
      return offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
    } finally {
      await admin.disconnect();
    }
  }

  /** Offset after the last of each partition of a topic, records and transaction markers alike. */
  async ends(topic: string): Promise<Map<number, number>> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      return new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]));
    } finally {
      await admin.disconnect();
    }
  }

  /**
   * All committed records of a topic, once no transaction in it is open. Leaves a record of its own behind in each
   * partition, and leaves these out when it reads.
   */
  async readAll(topic: string): Promise<Read[]> {
    const end = `end-${randomUUID()}`;
    const partitions = [...(await this.ends(topic)).keys()];
    await this.produce(
      topic,
      partitions.map((partition) => ({ key: end, value: end, partition })),
    );
    const seen = new Set<number>();
    let looked = 0;
    const records = await this.readUntil([topic], (reads) => {
      for (; looked < reads.length; looked++) if (reads[looked].key === end) seen.add(reads[looked].partition);
      return seen.size === partitions.length;
    });
    return records.filter(({ key }) => key?.startsWith('end-') !== true);
  }

  /** Reads topics from their beginning until `enough` says so. @throws Error after `timeoutMs`, with what there was */
  async readUntil(
    topics: readonly string[],
    enough: (records: readonly Read[]) => boolean,
    timeoutMs = 60_000,
  ): Promise<Read[]> {
    const consumer = this.kafka.consumer({ groupId: `test-${randomUUID()}`, maxWaitTimeInMs: 100 });
    const records: Read[] = [];
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ topic, partition, message }) => {
        records.push({
          topic,
          partition,
          offset: Number(message.offset),
          timestampMs: Number(message.timestamp),
          key: message.key?.toString() ?? null,
          value: message.value,
          headers: textOf(message.headers),
        });
        return Promise.resolve();
      },
    });
    const until = Date.now() + timeoutMs;
    try {
      while (!enough(records)) {
        if (Date.now() > until)
          throw new Error(`waited ${timeoutMs} ms for ${topics.join(', ')}; ${records.length} records so far`);
        await delay(50);
      }
      return records;
    } finally {
      await consumer.disconnect();
    }
  }
}

function textOf(headers: IHeaders | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]));
}

/** Waits for a condition. @throws Error after `timeoutMs` */
export async function eventually<T>(what: string, check: () => Promise<T | undefined>, timeoutMs = 60_000): Promise<T> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const result = await check();
    if (result !== undefined) return result;
    if (Date.now() > until) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await delay(50);
  }
}

/** Asks until there is an answer. @throws Error after `timeoutMs`, with what went wrong last as its cause */
export async function eventuallyAnswered<T>(what: string, ask: () => Promise<T>, timeoutMs = 60_000): Promise<T> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > until) throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause: error });
    }
    await delay(50);
  }
}
