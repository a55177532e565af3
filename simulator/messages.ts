import type { Scrape } from './telemetry.js';
import { prometheusText } from './formats/prometheus-text.js';
import { wideJson, wideJsonFlat } from './formats/wide-json.js';

export const SIMULATED_FORMATS = ['wide-json', 'wide-json-flat', 'prometheus-text'] as const;
export type SimulatedFormat = (typeof SIMULATED_FORMATS)[number];

/** A message as a collector would put it on Kafka. */
export interface SimulatedMessage {
  /** GPU UUID, or the host of a scrape. */
  readonly key: string;
  readonly value: string;
  readonly timeMs: number;
  /** GPUs whose readings it holds. */
  readonly samples: number;
}

/** The messages of one scrape: one a GPU, or one for the host as exposition text. */
export function* messagesOf(scrape: Scrape, format: SimulatedFormat): Generator<SimulatedMessage> {
  const { timeMs, host, gpus } = scrape;
  if (format === 'prometheus-text') {
    yield { key: host.name, value: prometheusText(scrape), timeMs, samples: gpus.length };
    return;
  }
  const write = format === 'wide-json' ? wideJson : wideJsonFlat;
  for (const gpu of gpus) yield { key: gpu.facts.uuid, value: write(gpu, timeMs), timeMs, samples: 1 };
}

/** The line of a file that stands for a message: exposition text is wrapped with its time. */
export function lineOf(message: SimulatedMessage, format: SimulatedFormat): string {
  return format === 'prometheus-text'
    ? JSON.stringify({ timestamp_ms: message.timeMs, text: message.value })
    : message.value;
}
