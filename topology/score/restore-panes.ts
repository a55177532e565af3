import { ClosedHours } from '../../operators/window/closed-hours.js';
import type { PaneFields } from '../../operators/window/snapshot.js';
import { DecodeError } from '../../schema/avro.js';
import { HOUR_MS } from '../../schema/clock.js';
import { SamplesCodec } from '../../schema/samples.js';
import { Turn } from '../../schema/turn.js';
import type { PartitionState } from './partition-state.js';
import type { RestoreOptions } from './restore.js';

/** What came of putting windows together from gpu.panes. */
export interface FromPanes {
  readonly state: PartitionState;
  readonly gpus: number;
  readonly hours: number;
}

/** A record of gpu.panes, as far as its place in the window goes. */
export interface Pane extends Readonly<Record<string, unknown>> {
  readonly hour_start: number;
  readonly samples: number;
}

/** Makes the windows of a partition from all closed hours that gpu.panes has, for its source to be read after that. */
export async function restoreFromPanes(options: RestoreOptions, progress: (share: number) => void): Promise<FromPanes> {
  const state = options.makeState();
  const closed = new ClosedHours(state.windows.parts, await sourceHour(options));
  const turn = new Turn();
  let hours = 0;
  let unreadable = 0;
  await options.reader.read(
    { topic: options.panes, partition: options.partition, offset: 0 },
    async (messages, share) => {
      for (const { key, value } of messages) {
        if (key === null || key === undefined || value === null) continue;
        const pane = await unlessUnreadable(() => options.codec.decode<Pane>('panes', value));
        if (pane === undefined) {
          unreadable++;
          continue;
        }
        const slot = state.slotOf(key.toString());
        closed.put(slot, pane.hour_start / HOUR_MS, pane.samples, pane as unknown as PaneFields);
        hours++;
        if (turn.isOver()) await turn.next();
      }
      progress(share);
    },
    options.stopping,
  );
  closed.finish();
  if (unreadable > 0)
    options.log.warn({ partition: options.partition, records: unreadable }, 'records of gpu.panes that are no panes');
  return { state, gpus: state.windows.size, hours };
}

/** Hour in which the source begins, by its first batch; Infinity where nothing that was answered for is left of it. */
async function sourceHour({ codec, reader, samples, partition, committed, stopping }: RestoreOptions): Promise<number> {
  const batches = new SamplesCodec(codec);
  let hour: number | undefined;
  await reader.read(
    { topic: samples, partition, offset: 0 },
    async (messages) => {
      for (const { offset, value } of messages) {
        if (hour !== undefined) return;
        if (offset >= committed) hour = Infinity;
        else if (value !== null) hour = await newestHour(batches, value);
      }
    },
    () => hour !== undefined || stopping(),
  );
  return hour ?? Infinity;
}

async function newestHour(batches: SamplesCodec, value: Buffer): Promise<number | undefined> {
  // What cannot be read is in the dead letters.
  const batch = await unlessUnreadable(() => batches.decode(value));
  if (batch === undefined || batch.count === 0) return undefined;
  let newestMs = -Infinity;
  for (let row = 0; row < batch.count; row++) newestMs = Math.max(newestMs, batch.eventTimeMs[row]);
  return Math.floor(newestMs / HOUR_MS);
}

async function unlessUnreadable<T>(decode: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await decode();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
