import type { LogRecord } from '../kafka/log.js';

/** A poll that finds nothing lasts so long: whoever asks the role for something waits no longer for its turn. */
const POLL_WAIT_MS = 50;

export interface GatheringOptions {
  /** As {@link LogConsumer.poll}: what it gives is of the assignment that there is when it resolves. */
  readonly poll: (max: number, waitMs: number) => Promise<readonly LogRecord[]>;
  /** Of one unit of work. */
  readonly maxRecords: number;
  /** A unit with so much has enough. */
  readonly maxBytes: number;
  readonly stopping: () => boolean;
  /** A clock that never goes back. */
  readonly nowMs?: () => number;
}

/**
 * Gathers what is read for units of work, until it is taken. All of it is of one assignment: what was gathered before
 * partitions came or went is forgotten, for whoever has them now reads it again.
 */
export class Gathering {
  private records: LogRecord[] = [];
  private bytes = 0;
  private readonly nowMs: () => number;

  constructor(private readonly options: GatheringOptions) {
    this.nowMs = options.nowMs ?? (() => performance.now());
  }

  /** Polls until there is enough for a unit, or so long has gone by since the first record; once if there is none. */
  async gather(intervalMs: number): Promise<void> {
    const { poll, maxRecords, maxBytes, stopping } = this.options;
    let until = Infinity;
    while (this.records.length < maxRecords && this.bytes < maxBytes) {
      const waitMs = Math.min(POLL_WAIT_MS, Math.max(0, until - this.nowMs()));
      // An assignment that comes while this waits makes forget what was there before, and not what the poll gives.
      this.add(await poll(maxRecords - this.records.length, waitMs));
      if (this.records.length === 0) return;
      if (until === Infinity) until = this.nowMs() + intervalMs;
      if (stopping() || this.nowMs() >= until) return;
    }
  }

  /** Hands over what was gathered. */
  take(): readonly LogRecord[] {
    const { records } = this;
    this.forget();
    return records;
  }

  /** Gives back what was taken and did not go into the unit: the next one begins with it. */
  putBack(records: readonly LogRecord[]): void {
    this.add(records);
  }

  /** Partitions were assigned or revoked. */
  forget(): void {
    this.records = [];
    this.bytes = 0;
  }

  private add(records: readonly LogRecord[]): void {
    for (const record of records) this.records.push(record);
    this.bytes += bytesOf(records);
  }
}

/** What records take in memory, about. */
export function bytesOf(records: readonly LogRecord[]): number {
  return records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
}
