import { isoTime, type LabelRecord } from './records.js';

/**
 * Keys of gpu.labels: `<gpu_uuid>/<failed_at>`. A GPU may fail more than once, and compaction keeps one record a key.
 * No UUID has a slash in it.
 */
const SEPARATOR = '/';

export function labelKey({ gpu_uuid, failed_at }: Pick<LabelRecord, 'gpu_uuid' | 'failed_at'>): string {
  return gpu_uuid + SEPARATOR + isoTime(failed_at);
}

/** What a key names: one failure, or where it is a UUID alone, all of that GPU. */
export function namedByLabelKey(key: string): [gpuUuid: string] | [gpuUuid: string, failedAt: string] {
  const at = key.indexOf(SEPARATOR);
  return at < 0 ? [key] : [key.slice(0, at), key.slice(at + 1)];
}
