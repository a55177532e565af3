import type { GivenLabel } from '../../operators/labels.js';
import { labelKey } from '../../schema/label-key.js';
import type { LabelRecord } from '../../schema/records.js';
import type { OutputRecord } from '../../sinks/kafka.js';

/** What an import does with a line that it accepts. */
export type LabelOutcome = 'new' | 'changed' | 'identical' | 'removed';

export interface PlannedLabel extends GivenLabel {
  readonly outcome: LabelOutcome;
  /** What the topic says now; null where it says nothing. */
  readonly before: LabelRecord['type'] | null;
}

/**
 * Holds labels against those of the topic.
 * @param published type by {@link labelKey}
 */
export function planLabels(
  given: readonly GivenLabel[],
  published: ReadonlyMap<string, LabelRecord['type']>,
): PlannedLabel[] {
  return given.map((label) => {
    const before = published.get(labelKey(label)) ?? null;
    return { ...label, before, outcome: outcomeOf(before, label.type) };
  });
}

function outcomeOf(before: string | null, type: string | null): LabelOutcome {
  if (before === type) return 'identical';
  if (type === null) return 'removed';
  return before === null ? 'new' : 'changed';
}

/** Records that bring the topic to what was given. */
export function recordsOf(
  planned: readonly PlannedLabel[],
  topic: string,
  encode: (label: LabelRecord) => Buffer,
): OutputRecord[] {
  return planned
    .filter(({ outcome }) => outcome !== 'identical')
    .map(({ gpu_uuid, failed_at, type }) => ({
      ...{ topic, partition: null, key: labelKey({ gpu_uuid, failed_at }) },
      value: type === null ? null : encode({ gpu_uuid, failed_at, type }),
    }));
}
