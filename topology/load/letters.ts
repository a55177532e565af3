import type { DeadLetterCode } from '../../schema/outcome.js';
import { messageLetter } from '../../sinks/dead-letter.js';
import type { KafkaSink, OutputRecord } from '../../sinks/kafka.js';
import type { Row } from '../../sinks/timescale/sink.js';
import type { LoadUnit } from './rows.js';

/**
 * Dead letters of what cannot be loaded: acknowledged before the offsets that leave it behind are committed, and so
 * written again if the process dies in between.
 */
export class LoadLetters {
  constructor(
    private readonly sink: KafkaSink,
    private readonly topic: string,
    private readonly written: (code: DeadLetterCode, count: number) => void,
  ) {}

  /** Records that could not be read; forgets them. */
  async undecodable({ undecodable }: LoadUnit): Promise<void> {
    const all = undecodable.splice(0);
    const letters = all.map(({ record, error }) =>
      messageLetter(this.topic, record, record.key, record.value, error.code, error.message),
    );
    await this.write(letters);
    for (const { error } of all) this.written(error.code, 1);
  }

  /** Rows that the database refused. */
  async refused(rows: readonly { readonly row: Row; readonly reason: string }[]): Promise<void> {
    await this.write(
      rows.map(({ row: { table, columns, cells, origin }, reason }) => {
        const value = Buffer.from(JSON.stringify({ table, columns, cells }));
        return messageLetter(this.topic, origin, null, value, 'unloadable_row', reason);
      }),
    );
    if (rows.length > 0) this.written('unloadable_row', rows.length);
  }

  close(): Promise<void> {
    return this.sink.close();
  }

  private async write(letters: readonly OutputRecord[]): Promise<void> {
    if (letters.length === 0) return;
    await this.sink.write(letters);
    await this.sink.flush();
  }
}
