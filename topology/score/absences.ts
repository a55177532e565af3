import { parseAbsenceNotice } from '../../schema/absence.js';
import { topicName } from '../../schema/topics.js';
import type { KafkaConnection, Warn } from '../kafka/connection.js';
import type { LogRecord } from '../kafka/log.js';
import { TableReader } from '../kafka/table-reader.js';
import { AbsenceNotices } from './absence-notices.js';
import type { Owned } from './owned.js';

/**
 * GPUs of which the alert stage says that they have just fallen silent: each gets one features and one prediction
 * record, as of a time after its newest reading, so that silence counts in its odds. What was said before this
 * process listened is not said again.
 */
export class Absences {
  private readonly reader: TableReader;
  private readonly notices = new AbsenceNotices();

  constructor(connection: KafkaConnection, warn: Warn) {
    this.reader = new TableReader(
      connection,
      'score-absences',
      [topicName(connection.topicPrefix, 'presence')],
      warn,
      'end',
    );
  }

  start(failed: (error: Error) => void): Promise<void> {
    return this.reader.start(this.take, failed);
  }

  close(): Promise<void> {
    return this.reader.close();
  }

  /** As {@link AbsenceNotices.place}. */
  place(owned: Iterable<Owned>, isRestoring: boolean): void {
    this.notices.place(owned, isRestoring);
  }

  private readonly take = (records: readonly LogRecord[]): Promise<void> => {
    for (const { value } of records) {
      const notice = parseAbsenceNotice(value);
      if (notice !== null) this.notices.take(notice);
    }
    return Promise.resolve();
  };
}
