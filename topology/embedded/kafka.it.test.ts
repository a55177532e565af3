import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../commands/main.js';
import { startEmbeddedKafka, type EmbeddedKafka } from './kafka.js';

describe('the embedded cluster, to commands for a real one', () => {
  let kafka: EmbeddedKafka;
  beforeAll(async () => {
    kafka = await startEmbeddedKafka();
  });
  afterAll(() => kafka.stop());

  const run = async (...args: string[]): Promise<{ status: number; err: string }> => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const argv = [...args, '--set', `kafka.brokers=${kafka.brokers.join(',')}`];
    const status = await main(argv, {}, { stdin: new PassThrough(), stdout, stderr });
    return { status, err: String(stderr.read() ?? '') };
  };

  it.each([
    ['topics', 'create'],
    ['run', '--roles', 'serve'],
    ['drain', '--set', 'model.directory=null'],
  ])('says at once to %s what it cannot do', async (...args) => {
    const beganMs = performance.now();
    const { status, err } = await run(...args, '--set', 'log.level=silent');
    expect(status).toBe(1);
    expect(err).toMatch(/^gpu-actuary: kafka_failed: Kafka at .* is the embedded one of a demo: /);
    expect(performance.now() - beganMs).toBeLessThan(10_000);
  });

  it('lets itself be looked at', async () => {
    expect((await run('dead-letters', 'list')).err).toMatch(/^gpu-actuary: topic_missing: /);
  });
});
