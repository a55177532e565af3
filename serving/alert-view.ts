import type { AlertRecord } from '../schema/records.js';

/** Alerts in memory: the last word on each, as gpu.alerts has it. */
export class AlertView {
  private readonly last = new Map<string, AlertRecord>();

  /** Takes a record over; what is older than what is known changes nothing. */
  apply(record: AlertRecord): void {
    const key = `${record.alert}/${record.subject}`;
    const known = this.last.get(key);
    if (known === undefined || record.as_of >= known.as_of) this.last.set(key, record);
  }

  /** The record was deleted from its topic. */
  forget(key: string): void {
    this.last.delete(key);
  }

  /** Newest first. @param state null: both @param gpuUuid null: of all */
  list(state: AlertRecord['state'] | null, gpuUuid: string | null, limit: number): AlertRecord[] {
    return [...this.last.values()]
      .filter((alert) => (state === null || alert.state === state) && (gpuUuid === null || alert.gpu_uuid === gpuUuid))
      .sort((a, b) => b.as_of - a.as_of || (a.subject < b.subject ? -1 : 1))
      .slice(0, limit);
  }
}
