import type { Message } from 'node-rdkafka';
import { openSink } from '../../topology/kafka/connection.js';
import { topicName } from '../../schema/topics.js';
import { messagesToEnd } from '../support/read-to-end.js';
import { connectionTo, PARTITIONS, type EnginePlace } from './engine.js';
import { MAX_MESSAGE_BYTES } from './sources.js';

/** All of gpu.samples that a read_committed client sees of an engine to which nothing is written any more. */
export class SampleLog {
  /** By partition: offset after the last batch. */
  readonly ends: ReadonlyMap<number, number>;
  /** By partition: offsets of the batches. Between them lie markers of transactions, and what was aborted. */
  private readonly offsets = new Map<number, number[]>(PARTITIONS.map((partition) => [partition, []]));

  private constructor(readonly messages: readonly Message[]) {
    for (const { partition, offset } of messages) this.offsets.get(partition)!.push(offset);
    this.ends = new Map([...this.offsets].map(([partition, offsets]) => [partition, (offsets.at(-1) ?? -1) + 1]));
  }

  static async read({ brokers, topicPrefix }: EnginePlace): Promise<SampleLog> {
    return new SampleLog(await messagesToEnd([brokers], topicName(topicPrefix, 'samples'), PARTITIONS));
  }

  /** Batches of a partition before an offset: the same number for the same batch of a copy. */
  countBefore(partition: number, offset: number): number {
    const offsets = this.offsets.get(partition)!;
    let [low, high] = [0, offsets.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (offsets[middle] < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Copies it to another engine's topic: partition by partition, in order, with the record timestamps. */
  async copyTo(place: EnginePlace): Promise<void> {
    const sink = await openSink(connectionTo(place), 'chaos', MAX_MESSAGE_BYTES, () => undefined);
    const topic = topicName(place.topicPrefix, 'samples');
    await sink.partitions(topic);
    await sink.write(
      this.messages.map(({ partition, value, timestamp }) => ({
        ...{ topic, partition, key: null, value, timestampMs: timestamp },
      })),
    );
    await sink.flush();
    await sink.close();
  }
}
