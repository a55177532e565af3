import type { ClosedPane, Windows } from '../../operators/window/window.js';
import type { SampleBatch } from '../../schema/batch.js';
import { FEATURES } from '../../schema/features.js';
import type { FeaturesRecord, Trigger } from '../../schema/records.js';
import { sampleLetter } from '../../sinks/dead-letter.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import type { TopicKey } from '../../schema/topics.js';
import type { FoldSink } from './partition-state.js';

/** A record that is to be encoded for a topic. */
export interface ScoreOutput {
  readonly topic: TopicKey;
  readonly gpuUuid: string;
  readonly record: object;
}

/** What every output record says of its making. */
export interface Provenance {
  readonly emitted_at: number;
  readonly instance: string;
}

/**
 * Collects what one unit of work of the score role puts out: everything in it is committed with the source offsets
 * it was made from, or not at all.
 */
export class UnitOfWork implements FoldSink {
  readonly outputs: ScoreOutput[] = [];
  readonly letters: OutputRecord[] = [];
  lateSamples = 0;

  constructor(
    private readonly featureNames: readonly { readonly name: string; readonly column: number }[],
    private readonly featureSet: string,
    private readonly deadLetterTopic: string,
    readonly provenance: Provenance,
  ) {}

  add(topic: TopicKey, gpuUuid: string, record: object): void {
    this.outputs.push({ topic, gpuUuid, record });
  }

  pane(windows: Windows, pane: ClosedPane): void {
    const gpuUuid = windows.uuidOf(pane.slot);
    this.add('panes', gpuUuid, {
      gpu_uuid: gpuUuid,
      hour_start: pane.hourStartMs,
      samples: pane.samples,
      ...pane.aggregates,
    });
  }

  features(
    windows: Windows,
    slot: number,
    asOfMs: number,
    newestMs: number,
    paneClosed: boolean,
    values: Float64Array,
  ): void {
    const gpuUuid = windows.uuidOf(slot);
    const trigger: Trigger = paneClosed ? 'pane' : 'interval';
    this.add('features', gpuUuid, {
      gpu_uuid: gpuUuid,
      as_of: asOfMs,
      newest_reading_at: newestMs,
      trigger,
      feature_set: this.featureSet,
      features: namedFeatures(this.featureNames, values, 0),
      ...this.provenance,
    } satisfies FeaturesRecord);
  }

  late(windows: Windows, batch: SampleBatch, row: number): void {
    this.lateSamples++;
    const detail = 'older than the last accepted reading of its metric, or of an hour that is closed';
    this.letters.push(sampleLetter(this.deadLetterTopic, batch, row, 'late', detail, { ...windows.lateReadings }));
  }
}

/** Names and columns of a published feature set: v2 is v1 and more. */
export function publishedFeatures(featureSet: 'v1' | 'v2'): { name: string; column: number }[] {
  return FEATURES.flatMap(({ name, set }, column) =>
    set === 'v1' || (set === 'v2' && featureSet === 'v2') ? [{ name, column }] : [],
  );
}

/** Features by name, absent ones null. */
export function namedFeatures(
  names: readonly { readonly name: string; readonly column: number }[],
  values: Float64Array,
  offset: number,
): Record<string, number | null> {
  const features: Record<string, number | null> = {};
  for (const { name, column } of names) {
    const value = values[offset + column];
    features[name] = value === value ? value : null;
  }
  return features;
}
