import { createDecoder } from '../operators/decode/decoders.js';
import { Runs } from '../operators/window/runs.js';
import { RowResults } from '../operators/window/window.js';
import { WindowStore } from '../operators/window/window-store.js';
import { BatchBuilder } from '../schema/batch.js';
import { benchBatch, benchJson, benchUuid, randomOf } from './fleet.js';

/**
 * Bytes that the engine's two hottest loops allocate for a sample: the decoder of flat JSON and the fold into the
 * windows. Run with a young generation so large that nothing is collected meanwhile (allocations.it.test.ts does), what
 * the heap has grown by is all that was allocated: a count, the same on every machine, where a time is not.
 */
const GPUS = 500;
const WARM_UP_ROUNDS = 400;
const ROUNDS = 40;
const START_MS = Date.UTC(2026, 0, 1);
const CADENCE_MS = 10_000;

const random = randomOf(1);
const uuids = Array.from({ length: GPUS }, (_, gpu) => benchUuid(gpu));
const gc = (globalThis as { gc?: () => void }).gc!;

/** @param round one sample of each GPU */
function bytesPerSample(round: (number: number) => void): number {
  for (let number = 0; number < WARM_UP_ROUNDS; number++) round(number);
  // Twice: what the first one finds dead outside the heap is only freed after it.
  gc();
  gc();
  const before = process.memoryUsage();
  for (let number = WARM_UP_ROUNDS; number < WARM_UP_ROUNDS + ROUNDS; number++) round(number);
  const after = process.memoryUsage();
  const grown = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers;
  return Math.round(grown / (GPUS * ROUNDS));
}

function decode(): number {
  const decoder = createDecoder('wide-json-flat', { profUnit: 'percent', maxMessageBytes: 1_000_000 });
  const builder = new BatchBuilder(GPUS);
  const messages = Array.from({ length: WARM_UP_ROUNDS + ROUNDS }, (_, round) =>
    uuids.map((uuid, gpu) => ({
      topic: 'bench',
      partition: 0,
      offset: 0,
      key: null,
      value: Buffer.from(benchJson(uuid, gpu, START_MS + round * CADENCE_MS, random), 'latin1'),
      timestampMs: START_MS + round * CADENCE_MS,
    })),
  );
  let samples = 0;
  const refuse = (reason: string): void => {
    throw new Error(`a reading was refused: ${reason}`);
  };
  return bytesPerSample((round) => {
    for (const message of messages[round]) {
      builder.from('bench', 0, samples++);
      if (decoder.decodeAt?.(message.value, 0, message.value.length, builder, refuse)) continue;
      // The way of the first messages of a shape, and of those that are not like the ones before.
      const outcome = decoder.decode(message, builder, refuse);
      if (outcome.kind !== 'samples') throw new Error(outcome.detail);
    }
    builder.build();
  });
}

function fold(): number {
  const store = new WindowStore({ gapMs: 300_000, featureSet: 'v2', asset: () => undefined });
  const batch = benchBatch(uuids, START_MS, 0, random);
  const slots = Int32Array.from(uuids, (uuid) => store.slotOf(uuid));
  const results = new RowResults();
  const refuse = (): void => {
    throw new Error('a reading was refused');
  };
  const runs = new Runs();
  return bytesPerSample((round) => {
    batch.eventTimeMs.fill(START_MS + round * CADENCE_MS);
    runs.begin(batch);
    for (let from = 0; from < batch.count;) {
      const until = runs.end(from);
      store.acceptRows(batch, from, until, slots, refuse, refuse, results);
      from = until;
    }
  });
}

// One a process, or what one leaves behind is collected while the other counts.
process.stdout.write(`${process.argv[2] === 'decode' ? decode() : fold()}\n`);
