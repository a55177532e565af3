import { Command } from 'commander';
import type { Message } from 'node-rdkafka';
import { ActuaryError } from '../../schema/errors.js';
import { DEAD_LETTER_CODES } from '../../schema/outcome.js';
import { isoTime } from '../../schema/records.js';
import { topicName } from '../../schema/topics.js';
import { readToEnd } from '../kafka/bounded-reader.js';
import { connectionOf } from '../kafka/connection.js';
import { probeCluster } from '../kafka/probe.js';
import {
  configurable,
  configurationOf,
  tellerOf,
  writeLine,
  type CommandContext,
  type ConfigurationOptions,
} from './context.js';
import { numberOf } from './numbers.js';
import { sinceOf } from './times.js';

const SHOWN_CHARACTERS = 120;

/** A dead letter, as it is shown. */
export interface ListedLetter {
  /** When it was written. */
  readonly time: string;
  readonly code: string;
  /** Where what went wrong lies. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly detail: string;
  readonly key: string | null;
  readonly bytes: number;
  /** As UTF-8; what is none of it is replaced. */
  readonly value: string | null;
}

interface Options extends ConfigurationOptions {
  topicPrefix?: string;
  since?: number;
  code?: string;
  limit: number;
  json?: boolean;
}

export function deadLettersCommand(context: CommandContext): Command {
  const command = new Command('dead-letters');
  command.addCommand(
    configurable(new Command('list'))
      .description('the newest dead letters, oldest first, and how many there are of each code')
      .option('--topic-prefix <prefix>', 'in place of kafka.topicPrefix')
      .option('--since <time>', 'written since: 90s, 15m, 2h, 7d, or an ISO 8601 time', sinceOf('--since'))
      .option('--code <code>', `of this code alone: ${DEAD_LETTER_CODES.join(', ')}`, parseCode)
      .option('--limit <count>', 'at most so many', (text) => numberOf('--limit', text, { whole: true, least: 1 }), 20)
      .option('--json', 'a JSON object a line, with the whole value')
      .action(async (options: Options) => {
        const extra = options.topicPrefix === undefined ? [] : [`kafka.topicPrefix=${options.topicPrefix}`];
        const connection = connectionOf(configurationOf(context, options, extra));
        await probeCluster(connection, tellerOf(context));
        const topic = topicName(connection.topicPrefix, 'deadLetter');
        const counts = new Map<string, number>();
        let newest: Message[] = [];
        await readToEnd(connection, topic, options.since ?? 0, (message) => {
          const code = headersOf(message).error_code ?? 'unknown';
          if (options.code !== undefined && code !== options.code) return;
          counts.set(code, (counts.get(code) ?? 0) + 1);
          newest.push(message);
          if (newest.length >= 2 * options.limit + 1_000) newest = newestOf(newest, options.limit);
        });
        const letters = newestOf(newest, options.limit).map(listed);
        for (const letter of letters) writeLine(context.stdout, options.json ? JSON.stringify(letter) : lineOf(letter));
        // The sums go elsewhere, so that standard output is letters alone.
        const sums = [...counts].sort(([, a], [, b]) => b - a).map(([code, count]) => `${count} ${code}`);
        writeLine(context.stderr, sums.length === 0 ? `no dead letters in ${topic}` : `${topic}: ${sums.join(', ')}`);
      }),
  );
  return command;
}

function newestOf(messages: readonly Message[], limit: number): Message[] {
  return [...messages].sort((a, b) => (a.timestamp ?? 0) - (b.timestamp ?? 0)).slice(-limit);
}

function listed(message: Message): ListedLetter {
  const headers = headersOf(message);
  const { value, key, timestamp } = message;
  return {
    time: isoTime(timestamp ?? 0),
    code: headers.error_code ?? 'unknown',
    topic: headers.topic ?? '',
    partition: Number(headers.partition),
    offset: Number(headers.offset),
    detail: headers.detail ?? '',
    key: key === null || key === undefined ? null : key.toString(),
    bytes: value?.length ?? 0,
    value: value === null ? null : value.toString('utf8'),
  };
}

function lineOf({ time, code, topic, partition, offset, detail, bytes, value }: ListedLetter): string {
  // Of others' bytes nothing reaches a terminal that could steer it.
  const shown = (value ?? '').slice(0, SHOWN_CHARACTERS).replace(/[^\x20-\x7e]/g, '.');
  return `${time}  ${code}  ${topic}/${partition}@${offset}  ${detail.replace(/[^\x20-\x7e]/g, '.')}  ${bytes} bytes: ${shown}`;
}

function headersOf({ headers }: Message): Record<string, string | undefined> {
  return Object.fromEntries(
    (headers ?? []).flatMap((header) => Object.entries(header).map(([name, value]) => [name, String(value)])),
  );
}

function parseCode(text: string): string {
  if (!(DEAD_LETTER_CODES as readonly string[]).includes(text))
    throw new ActuaryError('usage', `--code ${text}: expected one of ${DEAD_LETTER_CODES.join(', ')}`);
  return text;
}
