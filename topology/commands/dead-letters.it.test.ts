import { afterAll, beforeAll, expect, it } from 'vitest';
import { PassThrough } from 'node:stream';
import { startBroker, type Broker } from '../../bench/support/kraft.js';
import { messageLetter } from '../../sinks/dead-letter.js';
import { KafkaSink } from '../../sinks/kafka.js';
import { describeWith } from '../../test/support/requirements.js';
import type { ListedLetter } from './dead-letters.js';
import { main } from './main.js';

await describeWith('kraft', 'gpu-actuary dead-letters list', () => {
  let broker: Broker;

  const list = async (...args: string[]): Promise<{ status: number; out: string[]; err: string }> => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const argv = ['dead-letters', 'list', '--set', `kafka.brokers=${broker.brokers}`, ...args];
    const status = await main(argv, {}, { stdin: new PassThrough(), stdout, stderr });
    const text = (stream: PassThrough): string => String(stream.read() ?? '');
    return { status, out: text(stdout).split('\n').slice(0, -1), err: text(stderr) };
  };

  beforeAll(async () => {
    broker = await startBroker({ heap: '512m' });
    const sink = new KafkaSink({
      brokers: [broker.brokers],
      properties: {},
      clientId: 'writer',
      maxMessageBytes: 1_000_000,
      onTransientError: () => undefined,
    });
    await sink.open();
    const letter = (offset: number, value: string, code: 'malformed' | 'late') =>
      messageLetter('p.gpu.dead-letter', { topic: 'raw', partition: 3, offset }, null, Buffer.from(value), code, 'why');
    for (let offset = 0; offset < 40; offset++) {
      await sink.write([letter(offset, `bad\u001b[2J ${offset}`, offset % 4 === 0 ? 'late' : 'malformed')]);
      await sink.flush();
    }
    await sink.close();
  });
  afterAll(async () => {
    await broker?.stop();
  });

  it('shows the newest, oldest first, with code, origin and bytes, and nothing that steers a terminal', async () => {
    const { status, out, err } = await list('--topic-prefix', 'p.');
    expect(status).toBe(0);
    expect(out).toHaveLength(20);
    expect(out[19]).toMatch(/^\d{4}-.*Z {2}malformed {2}raw\/3@39 {2}why {2}10 bytes: bad\.\[2J 39$/);
    expect(err.trim()).toBe('p.gpu.dead-letter: 30 malformed, 10 late');
  });

  it('shows those of a code, as many as asked for, as JSON with the whole value', async () => {
    const { out } = await list('--topic-prefix', 'p.', '--code', 'late', '--limit', '2', '--json');
    const letters = out.map((line) => JSON.parse(line) as ListedLetter);
    expect(letters.map(({ code, offset }) => [code, offset])).toEqual([
      ['late', 32],
      ['late', 36],
    ]);
    expect(letters[1]).toMatchObject({ topic: 'raw', partition: 3, value: 'bad\u001b[2J 36', bytes: 10 });
  });

  it('shows those since a time: none of tomorrow, all of the last hour', async () => {
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    expect((await list('--topic-prefix', 'p.', '--since', tomorrow)).out).toEqual([]);
    expect((await list('--topic-prefix', 'p.', '--since', '1h', '--limit', '100')).out).toHaveLength(40);
  });

  it('says that there is no topic, and which arguments it does not take', async () => {
    expect(await list('--topic-prefix', 'nowhere.')).toMatchObject({
      status: 1,
      err: expect.stringContaining('topic_missing') as string,
    });
    expect((await list('--since', 'soon')).status).toBe(2);
    expect((await list('--code', 'soon')).status).toBe(2);
  });
});
