import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { isoTime } from '../schema/records.js';
import type { Fleet } from './fleet.js';
import { lineOf, messagesOf, type SimulatedFormat } from './messages.js';

const BLOCK_CHARACTERS = 1 << 20;

/** Called now and then with how far the telemetry is. */
export type OnProgress = (timeMs: number, samples: number) => void;

/** Writes telemetry.jsonl, assets.jsonl and labels.jsonl into a directory. @returns samples written */
export async function writeFleet(
  fleet: Fleet,
  format: SimulatedFormat,
  directory: string,
  progress: OnProgress,
): Promise<number> {
  await mkdir(directory, { recursive: true });
  const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');
  await writeFile(join(directory, 'assets.jsonl'), lines(fleet.assets()));
  await writeFile(
    join(directory, 'labels.jsonl'),
    lines(fleet.labels().map((label) => ({ ...label, failed_at: isoTime(label.failed_at) }))),
  );
  const stream = createWriteStream(join(directory, 'telemetry.jsonl'));
  const samples = await writeTelemetry(fleet, format, stream, progress);
  stream.end();
  await finished(stream);
  return samples;
}

/** Writes the telemetry alone, a message a line; waits where the reader is slower. @returns samples written */
export async function writeTelemetry(
  fleet: Fleet,
  format: SimulatedFormat,
  stream: Writable,
  progress: OnProgress,
): Promise<number> {
  let block = '';
  let samples = 0;
  for (const scrape of fleet.scrapes()) {
    for (const message of messagesOf(scrape, format)) {
      block += `${lineOf(message, format)}\n`;
      samples += message.samples;
    }
    if (block.length < BLOCK_CHARACTERS) continue;
    if (!stream.write(block)) await once(stream, 'drain');
    block = '';
    progress(scrape.timeMs, samples);
  }
  if (block !== '' && !stream.write(block)) await once(stream, 'drain');
  return samples;
}
