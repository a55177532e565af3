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

const FIELDS: ReadonlySet<string> = new Set(['from', 'until', 'gpu_uuid', 'host', 'topic']);

/**
 * Reads a window, a JSON object: {"from","until"} and any of "gpu_uuid", "host", "topic"; none: everything. A field of
 * another name is refused, for a misspelt one would silence everything.
 * @throws ActuaryError input_invalid
 */
export function parseWindow(text: string, where: string): MaintenanceWindow {
  const wrong = (what: string): ActuaryError => new ActuaryError('input_invalid', `${where}: ${what}`);
  let given: Record<string, unknown>;
  try {
    given = JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw wrong(messageOf(error));
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrong('expected an object');
  const unknown = Object.keys(given).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) throw wrong(`${unknown} is none of ${[...FIELDS].join(', ')}`);
  const time = (field: string): number => {
    const ms = typeof given[field] === 'string' ? isoMs(given[field]) : NaN;
    if (Number.isNaN(ms)) throw wrong(`${field}: expected a time like 2026-01-31T12:00:00Z`);
    return ms;
  };
  const name = (field: string): string | null => {
    const value = given[field];
    if (value === undefined) return null;
    if (typeof value !== 'string' || value === '') throw wrong(`${field}: expected a name`);
    return value;
  };
  const window = {
    fromMs: time('from'),
    untilMs: time('until'),
    gpu: name('gpu_uuid'),
    host: name('host'),
    topic: name('topic'),
  };
  if (window.untilMs <= window.fromMs) throw wrong('until is not after from');
  return window;
}

/** Reads windows of a file, one a line. @throws ActuaryError input_invalid */
export function parseMaintenance(text: string, file: string): MaintenanceWindow[] {
  return text
    .split('\n')
    .flatMap((line, index) => (line.trim() === '' ? [] : parseWindow(line, `${file}, line ${index + 1}`)));
}

/** Whether any window holds for a GPU at a time. */
export function isInMaintenance(
  windows: Iterable<MaintenanceWindow>,
  nowMs: number,
  gpuUuid: string,
  host: string | null,
  topic: string,
): boolean {
  for (const window of windows)
    if (
      nowMs >= window.fromMs &&
      nowMs < window.untilMs &&
      (window.gpu === null || window.gpu === gpuUuid) &&
      (window.host === null || window.host === host) &&
      (window.topic === null || window.topic === topic)
    )
      return true;
  return false;
}
