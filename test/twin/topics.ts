import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import avro from 'avsc';
import { AvroCodec } from '../../schema/avro.js';
import type { Config } from '../../schema/config.js';
import { packageRoot } from '../../schema/package-root.js';
import { RecycledMemory } from '../../schema/recycled-memory.js';
import { OutputFormat, UnitOfWork } from '../../topology/score/unit.js';
import type { LastRecord, PaneRecord } from './from-panes.js';

/** gpu.panes and gpu.features: written as the score role does, read by their schemas and nothing else of the engine. */
const codec = await AvroCodec.open(null, '');
/** The zero byte and the schema id before each record. */
const HEADER_BYTES = 5;
const typeOf = (topic: string): avro.Type =>
  avro.Type.forSchema(JSON.parse(readFileSync(join(packageRoot(), 'schema', `${topic}.avsc`), 'utf8')) as avro.Schema);
const TYPES: ReadonlyMap<string, avro.Type> = new Map(
  ['gpu.panes', 'gpu.features'].map((topic) => [topic, typeOf(topic)]),
);

/** A unit of work whose records go to {@link recordsOf}. */
export function unitOfWork(featureSet: 'v1' | 'v2'): UnitOfWork {
  const config = { instance: 'test', windows: { featureSet } } as Config;
  return new UnitOfWork(new OutputFormat(codec, '', config, new RecycledMemory(0)), Date.UTC(2026, 0, 5));
}

function recordsOf({ records }: UnitOfWork, topic: string): unknown[] {
  return records
    .filter((record) => record.topic === topic)
    .map(({ value }) => TYPES.get(topic)!.fromBuffer(value!.subarray(HEADER_BYTES)) as unknown);
}

export const panesOf = (work: UnitOfWork): PaneRecord[] => recordsOf(work, 'gpu.panes') as PaneRecord[];
export const featuresOf = (work: UnitOfWork): LastRecord[] => recordsOf(work, 'gpu.features') as LastRecord[];
