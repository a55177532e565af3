import { Fleet } from '../../simulator/fleet.js';
import { messagesOf } from '../../simulator/messages.js';
import type { TestClient } from './client.js';

/** The readings of a simulated fleet, written to a raw topic a part at a time, as wide-json-flat. */
export class FleetFeed {
  private readonly scrapes;

  constructor(
    private readonly client: TestClient,
    private readonly topic: string,
    options: ConstructorParameters<typeof Fleet>[0],
  ) {
    this.scrapes = new Fleet(options).scrapes();
  }

  /** Writes the next scrapes, as many as it takes for so many messages. */
  async produce(count: number): Promise<void> {
    const messages: { key: string; value: string; timestampMs: number }[] = [];
    for (let scrape = this.scrapes.next(); !scrape.done && messages.length < count; scrape = this.scrapes.next())
      for (const { key, value, timeMs } of messagesOf(scrape.value, 'wide-json-flat'))
        messages.push({ key, value, timestampMs: timeMs });
    await this.client.produce(this.topic, messages);
  }
}
