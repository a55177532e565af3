import { createHash } from 'node:crypto';
import { ActuaryError } from '../../schema/errors.js';

/**
 * The frame of every record of gpu.checkpoints: what it is, of which version, and a checksum of all that follows.
 *
 *   "GA", version, kind, the first 4 bytes of the payload's SHA-256, payload
 */
export const STATE_VERSION = 3;
const MAGIC = 0x4147;
const HEADER_BYTES = 8;

/** Kinds of records by their first letter in the frame. */
export type StateKind = 'cut' | 'hot' | 'ring' | 'remembered' | 'delta' | 'model';
const KINDS: readonly StateKind[] = ['cut', 'hot', 'ring', 'remembered', 'delta', 'model'];

export function frame(kind: StateKind, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16LE(MAGIC, 0);
  header.writeUInt8(STATE_VERSION, 2);
  header.writeUInt8(KINDS.indexOf(kind), 3);
  header.writeUInt32LE(checksum(payload), 4);
  return Buffer.concat([header, payload]);
}

/**
 * @returns the payload, sharing memory with the record; null if the bytes are not what was written, or of a version
 *   before this one, whose state is made anew
 * @throws ActuaryError state_newer: a later version of the engine wrote it
 */
export function unframe(kind: StateKind, record: Buffer): Buffer | null {
  if (record.length < HEADER_BYTES || record.readUInt16LE(0) !== MAGIC) return null;
  const version = record.readUInt8(2);
  if (version > STATE_VERSION)
    throw new ActuaryError(
      'state_newer',
      `gpu.checkpoints holds state of version ${version}, and this version of the engine knows ${STATE_VERSION}: ` +
        'run the version that wrote it, or a later one',
    );
  if (version < STATE_VERSION) return null;
  const payload = record.subarray(HEADER_BYTES);
  if (record.readUInt8(3) !== KINDS.indexOf(kind) || record.readUInt32LE(4) !== checksum(payload)) return null;
  return payload;
}

const checksum = (payload: Buffer): number => createHash('sha256').update(payload).digest().readUInt32LE(0);
