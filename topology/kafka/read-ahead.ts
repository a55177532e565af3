import { setTimeout as delay } from 'node:timers/promises';
import type { RecordBlock, TopicPartition } from './log.js';

/** A handler that waits for its batch to be taken tells the group so often that it lives. */
const HEARTBEAT_MS = 1_000;

/** A partition's share of a fetch. */
export interface Fetched extends TopicPartition {
  readonly messages: readonly RecordBlock[];
}

/** Who fetched a batch, and waits for the word to go on behind it. */
export interface Waiting {
  readonly heartbeat: () => Promise<void>;
  /** The batch is no longer wanted: partitions have changed hands, or the client is being closed. */
  readonly stale: () => boolean;
}

/** A batch on offer: its handler waits until its turn to be taken is near. */
interface Offer<F> {
  readonly fetched: F;
  readonly bytes: number;
  /** Blocks taken. */
  taken: number;
  /**
   * To be called when all of it was taken at the latest; what counts is the first call.
   * @param kept whether the client may go on behind it
   */
  readonly settle: (kept: boolean) => void;
}

/**
 * Batches that a pushing client fetched, for a reader that pulls. The client is let on behind a batch, and so fetches
 * again, when little is left before it is that batch's turn: so that whoever decodes need not wait for a broker's
 * answer and its way through a busy event loop, and no more is in memory than that takes.
 */
export class ReadAhead<F extends Fetched> {
  private readonly offers: Offer<F>[] = [];
  /** Ends the wait of a reader who found nothing. */
  private wake: () => void = () => undefined;

  /**
   * @param aheadBytes the client goes on behind a batch once no more than this is to be taken before it
   * @param onTaken told when all blocks of a batch were taken
   */
  constructor(
    private readonly aheadBytes: number,
    private readonly onTaken: (fetched: F) => void,
    private readonly heartbeatMs = HEARTBEAT_MS,
  ) {}

  /** Puts a batch on offer; resolves when its turn is near, or it was withdrawn. @returns whether it is kept */
  async offer(fetched: F, { heartbeat, stale }: Waiting): Promise<boolean> {
    let kept: boolean | undefined;
    const settled = new Promise<boolean>((resolve) => {
      const bytes = fetched.messages.reduce((sum, block) => sum + block.bytes, 0);
      this.offers.push({ fetched, bytes, taken: 0, settle: resolve });
      this.settleNear();
      this.wake();
    }).then((outcome) => (kept = outcome));
    while (kept === undefined && !stale()) {
      await Promise.race([settled, delay(this.heartbeatMs, undefined, { ref: false })]);
      if (kept === undefined) await heartbeat();
    }
    if (kept === undefined) this.withdraw((offered) => offered === fetched);
    return kept ?? false;
  }

  /** Blocks of about so many bytes together, at least one if there is any; in the order in which they were offered. */
  take(maxBytes: number): RecordBlock[] {
    const blocks: RecordBlock[] = [];
    let bytes = 0;
    while (bytes < maxBytes && this.offers.length > 0) {
      const offer = this.offers[0];
      const { messages } = offer.fetched;
      for (; offer.taken < messages.length && bytes < maxBytes; offer.taken++) {
        blocks.push(messages[offer.taken]);
        bytes += messages[offer.taken].bytes;
      }
      if (offer.taken < messages.length) break;
      this.offers.shift();
      // It may not have been near before: nothing else would ever let its handler go on.
      offer.settle(true);
      this.onTaken(offer.fetched);
    }
    this.settleNear();
    return blocks;
  }

  /** Resolves with the next offer, or after so long without one. */
  async more(waitMs: number): Promise<void> {
    const offered = new Promise<void>((resolve) => (this.wake = resolve));
    await Promise.race([offered, delay(waitMs)]);
  }

  /** Takes offers back, with what is left of them: they are to be fetched again. */
  withdraw(which: (fetched: F) => boolean = () => true): void {
    const all = this.offers.splice(0);
    for (const offer of all) {
      if (which(offer.fetched)) offer.settle(false);
      else this.offers.push(offer);
    }
  }

  /** Lets the client go on behind those offers that will soon be taken. */
  private settleNear(): void {
    let bytes = 0;
    for (const offer of this.offers) {
      if (bytes > this.aheadBytes) return;
      offer.settle(true);
      bytes += offer.bytes;
    }
  }
}
