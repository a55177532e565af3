import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { isoTime } from '../schema/records.js';
import type { Fleet } from './fleet.js';
import { lineOf, messagesOf, type SimulatedFormat } from './messages.js';

const BLOCK_CHARACTERS = 1 << 20;

/** Called now and then with how far the telemetry is. */
export type OnProgress = (timeMs: number, samples: number) => void;

/**
 * Writes telemetry.jsonl, assets.jsonl and labels.jsonl into a directory.
 * @returns samples written
 * @throws ActuaryError output_unwritable
 */
export async function writeFleet(
  fleet: Fleet,
  format: SimulatedFormat,
  directory: string,
  progress: OnProgress,
): Promise<number> {
  const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'assets.jsonl'), lines(fleet.assets()));
    await writeFile(
      join(directory, 'labels.jsonl'),
      lines(fleet.labels().map((label) => ({ ...label, failed_at: isoTime(label.failed_at) }))),
    );
    const file = createWriteStream(join(directory, 'telemetry.jsonl'));
    return await writeTelemetry(fleet, format, file, progress, true);
  } catch (error) {
    throw new ActuaryError('output_unwritable', `${directory}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Writes the telemetry alone, a message a line; waits where the reader is slower.
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
