import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ActuaryError } from '../../schema/errors.js';
import { makeDirectory } from '../../schema/make-directory.js';
import { isoTime } from '../../schema/records.js';
import type { Fleet } from '../../simulator/fleet.js';
import type { SimulatedFormat } from '../../simulator/messages.js';
import { writeTelemetry, type OnProgress } from '../../simulator/write-telemetry.js';
import { PartialFile, unwritable } from '../partial-file.js';

/**
 * Writes telemetry.jsonl, assets.jsonl and labels.jsonl into a directory, all of them or none: files of two fleets
 * would not go together.
 * @returns samples written
 * @throws ActuaryError output_unwritable
 */
export async function writeFleet(
  fleet: Fleet,
  format: SimulatedFormat,
  directory: string,
  progress: OnProgress,
): Promise<number> {
  const files: PartialFile[] = [];
  try {
    await makeDirectory(directory);
    for (const name of ['assets.jsonl', 'labels.jsonl', 'telemetry.jsonl'])
      files.push(await PartialFile.open(join(directory, name)));
    const [assets, labels, telemetry] = files;
    await pipeline(Readable.from(linesOf(fleet.assets())), assets.stream);
    const failures = fleet.labels().map((label) => ({ ...label, failed_at: isoTime(label.failed_at) }));
    await pipeline(Readable.from(linesOf(failures)), labels.stream);
    const samples = await writeTelemetry(fleet, format, telemetry.stream, progress, true);
    for (const file of files) await file.keep();
    return samples;
  } catch (error) {
    throw error instanceof ActuaryError ? error : unwritable(directory, error);
  } finally {
    for (const file of files) file.discard();
  }
}

function* linesOf(records: readonly object[]): Generator<string> {
  for (const record of records) yield `${JSON.stringify(record)}\n`;
}
