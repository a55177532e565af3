import { DUE_ABSENCE } from '../../operators/due.js';
import type { AbsenceNotice } from '../../schema/absence.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import type { Owned } from './owned.js';

/** What is said of absent GPUs, until it can be answered: each process hears of all GPUs, and owns some of them. */
export class AbsenceNotices {
  /** The newest of each GPU. */
  private waiting = new Map<string, AbsenceNotice>();

  take(notice: AbsenceNotice): void {
    this.waiting.set(notice.gpu_uuid, notice);
  }

  /**
   * Adds rows of the absent GPUs among those owned. Who has been heard since, by this process, is not absent. Notices
   * wait for partitions that are being restored; after that, who is not here is another process's to tell.
   * @param isRestoring partitions are still to come
   */
  place(owned: Iterable<Owned>, isRestoring: boolean): void {
    if (this.waiting.size === 0) return;
    let isComplete = !isRestoring;
    let count = 0;
    for (const { state, next, mutedUntil } of owned) {
      count++;
      if (next < mutedUntil) {
        isComplete = false;
        continue;
      }
      const { windows, rows } = state;
      for (const { gpu_uuid, newest_reading_at, as_of } of [...this.waiting.values()]) {
        const slot = windows.find(gpu_uuid);
        if (slot < 0) continue;
        this.waiting.delete(gpu_uuid);
        const newestMs = windows.newestMs(slot);
        if (newestMs > newest_reading_at) continue;
        const row = rows.add(slot, Math.max(as_of, newestMs), newestMs, DUE_ABSENCE);
        windows.features(slot, rows.asOfMs[row], rows.values, row * FEATURE_COUNT);
        rows.metadata[row] = windows.metadata(slot);
      }
    }
    if (isComplete && count > 0) this.waiting.clear();
  }
}
