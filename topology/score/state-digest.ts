import { createHash } from 'node:crypto';
import { ByteWriter } from '../../schema/state-bytes.js';
import type { PartitionState } from './partition-state.js';

/**
 * SHA-256 of a partition's state: of all GPUs in the order of their UUIDs, then of those that are remembered. Two states
 * have the same digest if, and but for chance only if, all that follows from them is the same, bit for bit. Takes
 * the event loop for as long as it lasts.
 */
export function digestOf(state: PartitionState): string {
  const hash = createHash('sha256');
  const writer = new ByteWriter();
  const add = (gpuUuid: string, encode: () => void): void => {
    writer.text(gpuUuid);
    encode();
    hash.update(writer.written());
    writer.clear();
  };
  const gpus = [...state.snapshot.slots].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [gpuUuid, slot] of gpus) add(gpuUuid, () => state.encodeCanonical(slot, writer));
  for (const gpuUuid of state.snapshot.remembered().sort())
    add(gpuUuid, () => state.snapshot.encodeRemembered(gpuUuid, writer));
  return hash.digest('hex');
}
