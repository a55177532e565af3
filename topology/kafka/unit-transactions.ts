import { ActuaryError } from '../../schema/errors.js';
import { TransactionFailed } from '../../sinks/kafka-transactions.js';
import { Backoff } from '../backoff.js';

/** Transactions may fail so often in a row before the process gives up. */
const MAX_FAILURES = 10;

export interface TransactionParts {
  /** Gets rid of what a failed transaction began; the committed offsets are settled then. */
  readonly reopen: () => Promise<void>;
  /** Begins anew with all assigned partitions, as if they had just been assigned. */
  readonly restart: () => Promise<void>;
  readonly warn: (message: string) => void;
}

/** A unit of work, as far as its transaction goes. */
export interface InTransaction {
  /** A transaction failed, this unit's or one before: nothing of it is written. */
  isVoid: boolean;
}

/**
 * The one way on after a transaction has failed, whatever made it fail, be it that this process slept and was fenced:
 * what is in hand is void, and all partitions begin anew from what is committed, as if they had just been assigned.
 */
export class UnitTransactions {
  private failed: TransactionFailed | undefined;
  private failuresInARow = 0;
  private readonly backoff = new Backoff();

  constructor(private readonly parts: TransactionParts) {}

  /**
   * A step of a unit's transaction. Once one has failed, that unit and those begun since come to nothing.
   * @returns whether the step was made
   */
  async step(unit: InTransaction, work: () => Promise<void>): Promise<boolean> {
    unit.isVoid ||= this.failed !== undefined;
    if (unit.isVoid) return false;
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof TransactionFailed)) throw error;
      this.failed = error;
      unit.isVoid = true;
      return false;
    }
  }

  /** A unit was committed. */
  succeeded(): void {
    this.failuresInARow = 0;
    this.backoff.reset();
  }

  /**
   * To be called before a poll, where nothing is in hand but what is void: begins anew if a transaction has failed.
   * @throws ActuaryError transaction_failed when it has failed too often in a row
   */
  async recover(): Promise<void> {
    const { failed, parts } = this;
    if (failed === undefined) return;
    if (++this.failuresInARow > MAX_FAILURES)
      throw new ActuaryError(
        'transaction_failed',
        `${failed.message}; ${MAX_FAILURES} transactions failed in a row. Has another process the same name (instance), ` +
          'are enough replicas in sync, do the topics take what is written?',
        { cause: failed },
      );
    parts.warn(`${failed.message}: all partitions begin anew from what is committed`);
    if (!(await this.backoff.wait())) return;
    await parts.reopen();
    await parts.restart();
    this.failed = undefined;
  }

  /** The process is stopping: nothing waits any longer. */
  cancel(): void {
    this.backoff.cancel();
  }
}
