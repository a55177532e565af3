import { parseAbsenceNotice, type AbsenceNotice } from '../../schema/absence.js';
import { topicName } from '../../schema/topics.js';
import { DUE_ABSENCE } from '../../operators/due.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import type { KafkaConnection, Warn } from '../kafka/connection.js';
import type { LogRecord } from '../kafka/log.js';
import { TableReader } from '../kafka/table-reader.js';
import type { Owned } from './owned.js';

/**
 * GPUs of which the alert stage says that they have just fallen silent: each gets one features and one prediction
 * record, as of a time after its newest reading, so that silence counts in its odds. What was said before this
 * process listened is not said again.
 */
export class Absences {
  private readonly reader: TableReader;
  private waiting: AbsenceNotice[] = [];

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

  /** Adds rows of the absent GPUs among those owned. Who has been heard since, by this process, is not absent. */
  place(owned: Iterable<Owned>): void {
    if (this.waiting.length === 0) return;
    const notices = this.waiting;
    this.waiting = [];
    for (const { state, next, mutedUntil } of owned) {
      if (next < mutedUntil) continue;
      const { windows, rows } = state;
      for (const { gpu_uuid, newest_reading_at, as_of } of notices) {
        const slot = windows.find(gpu_uuid);
        if (slot < 0 || windows.newestMs(slot) > newest_reading_at) continue;
        const newestMs = windows.newestMs(slot);
        const row = rows.add(slot, Math.max(as_of, newestMs), newestMs, DUE_ABSENCE);
        windows.features(slot, rows.asOfMs[row], rows.values, row * FEATURE_COUNT);
        rows.metadata[row] = windows.metadata(slot);
      }
    }
  }

  private readonly take = (records: readonly LogRecord[]): Promise<void> => {
    for (const { value } of records) {
      const notice = parseAbsenceNotice(value);
      if (notice !== null) this.waiting.push(notice);
    }
    return Promise.resolve();
  };
}
