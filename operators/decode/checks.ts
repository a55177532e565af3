import type { DecodeOutcome, MessageReason } from '../../schema/outcome.js';
import type { RawMessage } from './decoder.js';

export function deadLetter(code: MessageReason, detail: string): DecodeOutcome {
  return { kind: 'dead-letter', code, detail };
}

/** What no decoder needs to look at: nothing, or too much of it. */
export function checkSize(message: RawMessage, maxMessageBytes: number): DecodeOutcome | null {
  const { value } = message;
  if (value === null || value.length === 0) return deadLetter('empty', 'the message has no value');
  if (value.length > maxMessageBytes)
    return deadLetter('oversized', `${value.length} bytes, more than the ${maxMessageBytes} of ingest.maxMessageBytes`);
  return null;
}
