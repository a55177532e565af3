import { ActuaryError, messageOf } from '../../schema/errors.js';
import { isoMs } from '../../schema/dates.js';

/** Times in which silence is expected, of a GPU, a host or a source. */
export interface MaintenanceWindow {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly gpu: string | null;
  readonly host: string | null;
  readonly topic: string | null;
}

/**
 * Reads windows, one JSON object a line: {"from","until"} and one of "gpu_uuid", "host", "topic"; none: everything.
 * @throws ActuaryError input_invalid
 */
export function parseMaintenance(text: string, file: string): MaintenanceWindow[] {
  const windows: MaintenanceWindow[] = [];
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return;
    const wrong = (what: string): ActuaryError =>
      new ActuaryError('input_invalid', `${file}, line ${index + 1}: ${what}`);
    let given: Record<string, unknown>;
    try {
      given = JSON.parse(line) as Record<string, unknown>;
    } catch (error) {
      throw wrong(messageOf(error));
    }
    if (typeof given !== 'object' || given === null) throw wrong('expected an object');
    const time = (name: string): number => {
      const ms = typeof given[name] === 'string' ? isoMs(given[name]) : NaN;
      if (Number.isNaN(ms)) throw wrong(`${name}: expected a time like 2026-01-31T12:00:00Z`);
      return ms;
    };
    const name = (key: string): string | null => {
      const value = given[key];
      if (value !== undefined && typeof value !== 'string') throw wrong(`${key}: expected text`);
      return value ?? null;
    };
    const window = {
      fromMs: time('from'),
      untilMs: time('until'),
      gpu: name('gpu_uuid'),
      host: name('host'),
      topic: name('topic'),
    };
    if (window.untilMs <= window.fromMs) throw wrong('until is not after from');
    windows.push(window);
  });
  return windows;
}

/** Whether any window holds for a GPU at a time. */
export function isInMaintenance(
  windows: readonly MaintenanceWindow[],
  nowMs: number,
  gpuUuid: string,
  host: string | null,
  topic: string,
): boolean {
  return windows.some(
    (window) =>
      nowMs >= window.fromMs &&
      nowMs < window.untilMs &&
      (window.gpu === null || window.gpu === gpuUuid) &&
      (window.host === null || window.host === host) &&
      (window.topic === null || window.topic === topic),
  );
}
