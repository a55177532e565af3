/** Undecodable messages are judged over so many messages of a source. */
const JUDGED_MESSAGES = 10_000;

/**
 * The share of undecodable messages among a source's last 10,000, or a poll more. It slides, so that a stretch of good
 * messages long ago excuses nothing, and says nothing before there are that many.
 */
export class UndecodableShare {
  private readonly polls: { readonly messages: number; readonly undecodable: number }[] = [];
  private messages = 0;
  private undecodable = 0;

  /** @returns the share after these, NaN while there are too few to judge */
  add(messages: number, undecodable: number): number {
    if (messages > 0) this.polls.push({ messages, undecodable });
    this.messages += messages;
    this.undecodable += undecodable;
    while (this.polls.length > 0 && this.messages - this.polls[0].messages >= JUDGED_MESSAGES) {
      const gone = this.polls.shift()!;
      this.messages -= gone.messages;
      this.undecodable -= gone.undecodable;
    }
    return this.messages < JUDGED_MESSAGES ? NaN : this.undecodable / this.messages;
  }

  /** Messages that the share is of. */
  get judged(): number {
    return this.messages;
  }
}
