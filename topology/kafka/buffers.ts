import type { Config } from '../../schema/config.js';
import type { KafkaConnection } from './connection.js';

/** Who shares the budget of a process, and in what proportion; the watch for alerts lives beside one of them. */
const WEIGHTS = { ingest: 2, score: 4, load: 2, serve: 2, alerts: 1 } as const;
export type BufferingRole = keyof typeof WEIGHTS;

/** A client that is not told takes no more than this: larger queues bring nothing. */
const MOST_FETCHED_BYTES = 64 * 1024 * 1024;
/** What a role keeps is in up to eight places at once, none of which may hold more than this share. */
const PLACES = 8;
/** librdkafka's own bound of a fetch, and of what it fetches of a partition at a time. */
const LEAST_FETCH_BYTES = 1_100_000;
/**
 * A queue that was full is looked at again so soon. librdkafka waits a second by default, in which whoever catches up
 * empties the queue and has nothing to do.
 */
const QUEUE_FULL_BACKOFF_MS = 10;
const MEGABYTE = 1_000_000;

/** The budget of a process that does everything by itself, or of a tool. */
export const bufferBytesOf = ({ memory }: Pick<Config, 'memory'>): number => memory.bufferMb * MEGABYTE;

/** The connection of one of a process's roles, with its share of the budget. */
export function shareOf(
  connection: KafkaConnection,
  roles: readonly BufferingRole[],
  role: BufferingRole,
): KafkaConnection {
  const all = roles.reduce((sum, one) => sum + WEIGHTS[one], 0);
  return { ...connection, bufferBytes: (connection.bufferBytes * WEIGHTS[role]) / all };
}

/**
 * How a role's share is spent. Of what it reads there is, at the worst: the client's queue and a fetch that is on its
 * way into it, what was polled of it, and what a unit of work gathers; of what it makes: the outputs of the unit in
 * hand, those of the one that is being written, and the producer's copies. Each may have an eighth.
 */
export const placeBytes = (bufferBytes: number): number => Math.floor(bufferBytes / PLACES);

/** Bounds of a librdkafka consumer: what it fetches ahead waits in the broker beyond them. */
export function fetchBounds(bufferBytes: number): Record<string, number> {
  const bytes = Math.min(MOST_FETCHED_BYTES, placeBytes(bufferBytes));
  return {
    'fetch.queue.backoff.ms': QUEUE_FULL_BACKOFF_MS,
    'queued.max.messages.kbytes': Math.max(1, Math.floor(bytes / 1024)),
    'fetch.max.bytes': Math.max(LEAST_FETCH_BYTES, Math.min(bytes, 50 * 1024 * 1024)),
  };
}

/** Bound of a producer, kB: whoever writes waits beyond it. It must hold the largest message. */
export function producerKilobytes(bufferBytes: number, maxMessageBytes: number): number {
  return Math.ceil(Math.max(placeBytes(bufferBytes), 2 * maxMessageBytes) / 1024);
}
