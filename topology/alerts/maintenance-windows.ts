import { readFile, stat } from 'node:fs/promises';
import {
  isInMaintenance,
  parseMaintenance,
  parseWindow,
  type MaintenanceWindow,
} from '../../operators/alerts/maintenance.js';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import type { LogRecord } from '../kafka/log.js';
import type { Log } from '../roles/role.js';

/** Times in which silence is expected: those of a file, and those of gpu.maintenance, by key. */
export class MaintenanceWindows {
  private ofFile: readonly MaintenanceWindow[] = [];
  private readonly ofTopic = new Map<string, MaintenanceWindow>();
  private readMs = NaN;
  private complaint = '';

  constructor(
    private readonly file: string | null,
    private readonly log: Log,
  ) {}

  isExpected(nowMs: number, gpuUuid: string, host: string | null, topic: string): boolean {
    return [this.ofFile, this.ofTopic.values()].some((windows) =>
      isInMaintenance(windows, nowMs, gpuUuid, host, topic),
    );
  }

  /** Reads the file where it has changed. One that cannot be read silences nothing, and takes nothing back. */
  async readFile(): Promise<void> {
    const { file } = this;
    if (file === null) return;
    try {
      const { mtimeMs } = await stat(file);
      if (mtimeMs === this.readMs) return;
      const text = await readFile(file, 'utf8');
      // What is wrong is not read again before it has changed; what could not be read is.
      this.readMs = mtimeMs;
      this.ofFile = parseMaintenance(text, file);
      this.complaint = '';
      this.log.info({ role: 'alerts', windows: this.ofFile.length }, 'maintenance windows read');
    } catch (error) {
      const message = messageOf(error);
      // Looked at all the time: said once.
      if (message === this.complaint) return;
      this.complaint = message;
      const code = error instanceof ActuaryError ? error.code : 'input_unreadable';
      this.log.warn({ role: 'alerts', code, file }, `maintenance windows stay as they were: ${message}`);
    }
  }

  /**
   * Takes a record of gpu.maintenance over: the window of its key, or that there is none any more.
   * @returns what is wrong with it; null where nothing is. A key whose record is wrong has no window
   */
  take({ topic, partition, offset, key, value }: LogRecord): string | null {
    const name = key?.toString('utf8') ?? '';
    this.ofTopic.delete(name);
    if (name === '') return `${topic}/${partition}@${offset}: expected a key, by which the window can be taken back`;
    if (value === null) return null;
    try {
      this.ofTopic.set(name, parseWindow(value.toString('utf8'), `${topic}/${partition}@${offset}`));
      return null;
    } catch (error) {
      if (!(error instanceof ActuaryError)) throw error;
      return error.message;
    }
  }
}
