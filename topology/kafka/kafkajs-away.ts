/** The broker is away: the client gives up then, where it goes on by itself after other errors of that sort. */
const AWAY_ERRORS = new Set(['KafkaJSGroupCoordinatorNotFound', 'KafkaJSNoBrokerAvailableError']);

/**
 * Whether all that kafkajs misses is the broker. It wraps such an error in others on some of its ways and not on the
 * rest: what it began with tells.
 */
export function isBrokerAway(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (AWAY_ERRORS.has(at.name)) return true;
  return false;
}
