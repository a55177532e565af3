import { expect } from 'vitest';
import type { AvroCodec } from '../../schema/avro.js';
import { eventually, type TestClient } from './client.js';

/** Where nothing is committed for so long, all was read. */
const QUIET_MS = 5_000;
const PATIENCE_MS = 120_000;

export interface ScoredPrediction {
  readonly gpu_uuid: string;
  readonly as_of: number;
  readonly model_version: string;
  readonly run_id: string | null;
}

/** Waits until an engine of a topic prefix has read a source to its end, and scored what it read. */
export async function everythingScored(client: TestClient, prefix: string, source: string): Promise<void> {
  const committed = (group: string, topic: string): Promise<Map<number, number>> =>
    client.committed(`${prefix}gpu-actuary.${group}`, topic).catch(() => new Map<number, number>());
  let [scored, quietSince] = [-1, performance.now()];
  await eventually(
    'all scored',
    async () => {
      const sum = [...(await committed('score', `${prefix}gpu.samples`)).values()].reduce(
        (total, offset) => total + Math.max(0, offset),
        0,
      );
      if (sum !== scored) quietSince = performance.now();
      scored = sum;
      const read = await committed('ingest', source);
      const isRead = [...(await client.ends(source))].every(
        ([partition, end]) => Math.max(0, read.get(partition) ?? 0) >= end,
      );
      return isRead && scored > 0 && performance.now() - quietSince > QUIET_MS ? true : undefined;
    },
    PATIENCE_MS,
  );
}

export async function predictionsOf(client: TestClient, codec: AvroCodec, prefix: string): Promise<ScoredPrediction[]> {
  const reads = await client.readAll(`${prefix}gpu.predictions`);
  return Promise.all(reads.map(({ value }) => codec.decode<ScoredPrediction>('predictions', value!)));
}

/**
 * Holds the predictions of an engine against those of one that ran undisturbed over the same source (topic prefix
 * `ref.`): none is lost or doubled, and each GPU's models follow each other by name.
 * @returns the models that answered, with their runs
 */
export async function expectUndisturbed(client: TestClient, codec: AvroCodec): Promise<Set<string>> {
  const all = await predictionsOf(client, codec, '');
  const keys = keysOf(all);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys).toEqual(keysOf(await predictionsOf(client, codec, 'ref.')));
  for (const versions of versionsByGpu(all).values()) expect([...versions].sort()).toEqual(versions);
  return new Set(all.map(({ model_version, run_id }) => `${model_version}: ${run_id}`));
}

/** GPU and time of each, sorted: two runs over one source have the same. */
export function keysOf(predictions: readonly ScoredPrediction[]): string[] {
  return predictions.map(({ gpu_uuid, as_of }) => `${gpu_uuid} ${as_of}`).sort();
}

/** By GPU, the versions that answered, in the order of time. */
export function versionsByGpu(predictions: readonly ScoredPrediction[]): Map<string, string[]> {
  const byGpu = new Map<string, ScoredPrediction[]>();
  for (const one of predictions) byGpu.set(one.gpu_uuid, [...(byGpu.get(one.gpu_uuid) ?? []), one]);
  return new Map(
    [...byGpu].map(([gpu, own]) => [
      gpu,
      own.sort((a, b) => a.as_of - b.as_of).map(({ model_version }) => model_version),
    ]),
  );
}
