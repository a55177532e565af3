import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Fleet } from './fleet.js';
import { lineOf, messagesOf, type SimulatedFormat } from './messages.js';

const BLOCK_CHARACTERS = 1 << 20;

/** Called now and then with how far the telemetry is. */
export type OnProgress = (timeMs: number, samples: number) => void;

/**
 * Writes telemetry, a message a line; waits where the reader is slower.
 * @param end whether the stream is to be ended: standard output is not
 * @returns samples written
 */
export async function writeTelemetry(
  fleet: Fleet,
  format: SimulatedFormat,
  stream: Writable,
  progress: OnProgress,
  end = false,
): Promise<number> {
  let samples = 0;
  const blocks = blocksOf(fleet, format, (timeMs, count) => {
    samples += count;
    progress(timeMs, samples);
  });
  await pipeline(Readable.from(blocks, { highWaterMark: 1 }), stream, { end });
  return samples;
}

function* blocksOf(
  fleet: Fleet,
  format: SimulatedFormat,
  written: (timeMs: number, samples: number) => void,
): Generator<string> {
  let block = '';
  let samples = 0;
  for (const scrape of fleet.scrapes()) {
    for (const message of messagesOf(scrape, format)) {
      block += `${lineOf(message, format)}\n`;
      samples += message.samples;
    }
    if (block.length < BLOCK_CHARACTERS) continue;
    written(scrape.timeMs, samples);
    yield block;
    block = '';
    samples = 0;
  }
  written(fleet.endMs, samples);
  if (block !== '') yield block;
}
