import kafkajs from 'kafkajs';
import { expect, it } from 'vitest';
import { startBroker } from '../bench/support/kraft.js';
import { TestClient } from '../test/support/client.js';
import { describeWith } from '../test/support/requirements.js';
import { messageLetter } from './dead-letter.js';
import { KafkaSink } from './kafka.js';

await describeWith('kraft', 'the Kafka sink', () => {
  it('writes the first 64 KiB of a dead letter, and its length, where the broker refuses the whole', async () => {
    const broker = await startBroker({ heap: '512m' });
    try {
      const admin = new kafkajs.Kafka({ brokers: [broker.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
      await admin.connect();
      const configEntries = [{ name: 'max.message.bytes', value: '200000' }];
      await admin.createTopics({ topics: [{ topic: 'small', numPartitions: 1, configEntries }] });
      await admin.disconnect();
      const sink = new KafkaSink({
        brokers: [broker.brokers],
        properties: {},
        clientId: 'test',
        maxMessageBytes: 16 * 1024 * 1024,
        onTransientError: () => undefined,
      });
      await sink.open();
      const origin = { topic: 'raw', partition: 0, offset: 5 };
      const letter = (bytes: number) =>
        messageLetter('small', origin, null, Buffer.alloc(bytes, 'x'), 'oversized', 'too large');
      await sink.write([letter(100_000), letter(300_000), letter(20_000_000)]);
      await sink.flush();
      await sink.close();
      const reads = await new TestClient([broker.brokers]).readUntil(['small'], (records) => records.length >= 3);
      const shown = reads.map(({ value, headers }) => [value!.length, headers.original_length]);
      expect(shown.sort((a, b) => Number(a[1] ?? 0) - Number(b[1] ?? 0))).toEqual([
        [100_000, undefined],
        [65_536, '300000'],
        [65_536, '20000000'],
      ]);
    } finally {
      await broker.stop();
    }
  });
});
