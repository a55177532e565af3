import type { Decoder, DecodeOptions } from './decoder.js';
import { PrometheusTextDecoder } from './prometheus-text.js';
import { WideJsonDecoder } from './wide-json.js';
import { WideJsonFlatDecoder } from './wide-json-flat.js';

/** The shapes that are read, by the names that configuration uses: a new one is a file and a line here. */
const DECODERS = {
  'wide-json': (options) => new WideJsonDecoder(options),
  'wide-json-flat': (options) => new WideJsonFlatDecoder(options),
  'prometheus-text': (options) => new PrometheusTextDecoder(options),
} as const satisfies Record<string, (options: DecodeOptions) => Decoder>;

export type MessageFormat = keyof typeof DECODERS;
/** What a file may hold: messages a line, or one plain scrape over many lines. */
export type InputFormat = MessageFormat | 'prometheus-scrape';

export function createDecoder(format: MessageFormat, options: DecodeOptions): Decoder {
  return DECODERS[format](options);
}

/** Guesses what a file holds by its first line that is not blank. */
export function detectFormat(line: Buffer): InputFormat {
  const text = line.toString('utf8').trim();
  if (!text.startsWith('{')) return 'prometheus-scrape';
  if (/"text"\s*:/.test(text) && !/"(gpu|gpu_uuid|metrics)"\s*:/.test(text.slice(0, 200))) return 'prometheus-text';
  return /"(metrics|gpu)"\s*:\s*\{/.test(text) ? 'wide-json' : 'wide-json-flat';
}

/** Whether a line that is no JSON may stand in exposition text: a comment, or a metric with its labels and a number. */
export function isExposition(line: Buffer): boolean {
  return /^\s*(#|[a-zA-Z_:][\w:]*\s*(\{.*\})?\s+[-+.\dINn])/.test(line.toString('utf8'));
}
