import { createHash } from 'node:crypto';
import { ByteWriter } from '../../schema/state-bytes.js';
import { Turn } from '../../schema/turn.js';
import type { PartitionState } from './partition-state.js';

/**
 * SHA-256 of a partition's state: of all GPUs in the order of their UUIDs, then of those that are remembered. Two states
 * have the same digest if, and but for chance only if, all that follows from them is the same, bit for bit. The state
 * must not change until it resolves; others have their turn meanwhile.
 */
export async function digestOf(state: PartitionState): Promise<string> {
  const turn = new Turn();
  const hash = createHash('sha256');
  const writer = new ByteWriter();
  const add = async (gpuUuid: string, encode: () => void): Promise<void> => {
    writer.text(gpuUuid);
    encode();
    hash.update(writer.written());
    writer.clear();
    if (turn.isOver()) await turn.next();
  };
  const gpus = [...state.snapshot.slots].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [gpuUuid, slot] of gpus) await add(gpuUuid, () => state.encodeCanonical(slot, writer));
  for (const gpuUuid of state.snapshot.remembered().sort())
    await add(gpuUuid, () => state.snapshot.encodeRemembered(gpuUuid, writer));
  return hash.digest('hex');
}
