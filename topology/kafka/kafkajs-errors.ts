/** Names of what kafkajs calls a broker that is away, and holds for not worth another try. */
const AWAY_ERRORS = new Set(['KafkaJSGroupCoordinatorNotFound', 'KafkaJSNoBrokerAvailableError']);
/** The group is being rearranged: the partitions are going or gone, and their next owner repeats the work. */
const REBALANCE_ERRORS = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']);

interface KafkaJsError extends Error {
  /** Of what a broker answered. */
  readonly type?: string;
  readonly retriable?: boolean;
}

/** An error and those it wraps: kafkajs puts what a call failed for into another one on some of its ways. */
function layers(error: unknown): KafkaJsError[] {
  return error instanceof Error ? [error, ...layers(error.cause)] : [];
}

/** Whether all that kafkajs misses is the broker. */
export function isBrokerAway(error: unknown): boolean {
  return layers(error).some(({ name }) => AWAY_ERRORS.has(name));
}

export function isRebalancing(error: unknown): boolean {
  return layers(error).some(({ type = '' }) => REBALANCE_ERRORS.has(type));
}

/** Whether what kafkajs has given up for may pass: the broker is away, or answered that it may be asked again. */
export function mayPass(error: unknown): boolean {
  return isBrokerAway(error) || layers(error).at(-1)?.retriable === true;
}
