import { FetchedPartition } from './fetched-partition.js';
import { loadPrivately, type Amendment, type Replacement } from './private-module.js';
import { RecordBatch } from './record-batch.js';

/**
 * kafkajs makes an object, strings and arithmetic on 64-bit objects for every record, which is more than half of what
 * reading and decoding a small message costs. Here is a copy of it that keeps a fetched record batch as it came over
 * the wire. Two modules are replaced: what takes a fetch response's bytes apart, and what presents a partition's share
 * of a response to the consumer. Connections, groups, retries and metadata stay kafkajs's own, but for one copy of
 * every answer that a connection makes.
 *
 * Like kafkajs, and librdkafka by default, it does not verify checksums: TCP does, and the broker did on writing.
 */
const VERSION = '2.2.4';
/** Of record batches; brokers from before 0.11 wrote older ones. */
const FORMAT = 2;

/** Compression as kafkajs knows it. */
interface Compression {
  lookupCodec(type: number): { decompress(bytes: Buffer): Promise<Buffer> } | null;
}
interface Errors {
  KafkaJSNotImplemented: new (message: string) => Error;
}
/** What kafkajs's decoder has left to read. */
interface Unread {
  readInt32(): number;
  canReadBytes(length: number): boolean;
  readBytes(length: number): Buffer;
}

/** Takes the records of a partition in a fetch response apart: one object a batch. */
export function batchDecoder(
  compression: Compression,
  { KafkaJSNotImplemented }: Errors,
): (decoder: Unread) => Promise<RecordBatch[]> {
  return async (decoder) => {
    const size = decoder.readInt32();
    if (size <= 0 || !decoder.canReadBytes(size)) return [];
    const bytes = decoder.readBytes(size);
    const batches: RecordBatch[] = [];
    let at = 0;
    for (;;) {
      const length = RecordBatch.sizeAt(bytes, at);
      // A response is cut at its size limit: the rest of the last batch comes with the next one.
      if (!(at + length <= bytes.length)) return batches;
      const magic = RecordBatch.magicOf(bytes, at);
      if (magic !== FORMAT) throw new KafkaJSNotImplemented(`Message format ${magic} not implemented`);
      const batch = bytes.subarray(at, at + length);
      // Throws KafkaJSNotImplemented where kafkajs lacks the codec.
      const codec = compression.lookupCodec(RecordBatch.codecOf(batch));
      batches.push(
        codec === null
          ? RecordBatch.of(batch)
          : RecordBatch.of(batch, await codec.decompress(RecordBatch.compressed(batch))),
      );
      at += length;
    }
  };
}

const REPLACEMENTS: Readonly<Record<string, Replacement>> = {
  'src/protocol/requests/fetch/v4/decodeMessages.js': (require) =>
    batchDecoder(require('../../../message/compression') as Compression, require('../../../../errors') as Errors),
  'src/consumer/batch.js': () => FetchedPartition,
};

/** As far as what it has received goes. */
interface Connection {
  readonly chunks: Buffer[];
  readonly processData: (this: Connection, bytes: Buffer) => void;
}

const AMENDMENTS: Readonly<Record<string, Amendment>> = {
  // What is left of the last answer, mostly nothing, and the next one are put together into new memory.
  'src/network/connection.js': (exports) => {
    const { prototype } = exports as { prototype: { processData: Connection['processData'] } };
    const { processData } = prototype;
    prototype.processData = function (bytes) {
      if (this.chunks.length === 1 && this.chunks[0].length === 0) this.chunks.length = 0;
      processData.call(this, bytes);
    };
  },
};

let loaded: typeof import('kafkajs') | undefined;

/** The copy; loaded when first asked for. @throws Error where another version of kafkajs is installed */
export function blockKafkaJs(): typeof import('kafkajs') {
  loaded ??= loadPrivately('kafkajs', VERSION, REPLACEMENTS, AMENDMENTS) as typeof import('kafkajs');
  return loaded;
}
