import { expect, it } from 'vitest';
import { loadConfiguration } from '../configuration.js';
import { fetchBounds, placeBytes, producerKilobytes, shareOf } from './buffers.js';
import { connectionOf } from './connection.js';

const connection = connectionOf(
  loadConfiguration({ environment: {}, sets: ['instance=a', 'memory.bufferMb=100', 'kafka.brokers=a:1'] }),
);
const ALL = ['ingest', 'score', 'load', 'serve', 'alerts'] as const;

it('shares the budget of a process out among its roles, all of it and no more', () => {
  const shares = ALL.map((role) => shareOf(connection, ALL, role).bufferBytes);
  expect(shares.reduce((sum, bytes) => sum + bytes, 0)).toBeCloseTo(100e6, 0);
  expect(shareOf(connection, ['score'], 'score').bufferBytes).toBe(100e6);
});

it('keeps what a client fetches ahead and what a producer keeps within their places', () => {
  expect(fetchBounds(100e6)['queued.max.messages.kbytes'] * 1024).toBeLessThanOrEqual(placeBytes(100e6));
  expect(producerKilobytes(100e6, 1e6) * 1024).toBeLessThanOrEqual(placeBytes(100e6) + 1024);
  // One message has to fit, however small the budget is.
  expect(producerKilobytes(1e6, 4e6) * 1024).toBeGreaterThan(4e6);
  expect(fetchBounds(1e6)['fetch.max.bytes']).toBeGreaterThan(1e6);
});
