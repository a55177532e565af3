import type { Readable } from 'node:stream';
import { Command } from 'commander';
import { LabelReader, type RefusedLabel } from '../../operators/labels.js';
import { AvroCodec } from '../../schema/avro.js';
import { systemClock } from '../../schema/clock.js';
import type { Config } from '../../schema/config.js';
import { ActuaryError } from '../../schema/errors.js';
import { isoTime } from '../../schema/records.js';
import { topicName } from '../../schema/topics.js';
import { connectionOf, openSink, type KafkaConnection } from '../kafka/connection.js';
import { probeCluster } from '../kafka/probe.js';
import { planLabels, recordsOf, type LabelOutcome, type PlannedLabel } from '../labels/plan.js';
import { publishedLabels } from '../labels/published.js';
import { linesOf, openInput } from '../replay/lines.js';
import {
  configurable,
  configurationOf,
  tellerOf,
  writeLine,
  type CommandContext,
  type ConfigurationOptions,
} from './context.js';
import { timeOf } from './times.js';

const MAX_MESSAGE_BYTES = 1_000_000;

interface Options extends ConfigurationOptions {
  apply?: boolean;
  skipRefused?: boolean;
  now?: number;
  json?: boolean;
}

export function labelsCommand(context: CommandContext): Command {
  const command = new Command('labels');
  command.addCommand(
    configurable(new Command('import'))
      .description(
        'bring observed failures of a file to gpu.labels, from where they are loaded into gpu_failure_labels',
      )
      .argument(
        '<file>',
        'JSON Lines of {gpu_uuid, failed_at, type}; type null takes a label out; - for standard input',
      )
      .option('--apply', 'write; without it nothing is written, only said')
      .option('--skip-refused', 'write the other lines where some are refused; without it none is written')
      .option('--now <time>', 'no failure is later than this; the clock if left out', timeOf('--now'))
      .option('--json', 'a JSON object a line')
      .action((file: string, options: Options) => importLabels(file, options, context)),
  );
  return command;
}

async function importLabels(file: string, options: Options, context: CommandContext): Promise<void> {
  const config = configurationOf(context, options);
  const reader = await read(file, options.now ?? systemClock.now(), context);
  const connection = connectionOf(config);
  const warn = tellerOf(context);
  await probeCluster(connection, warn);
  const codec = await AvroCodec.open(config.kafka.registry, connection.topicPrefix);
  const topic = topicName(connection.topicPrefix, 'labels');
  const published = await publishedLabels(connection, topic, codec, (where, error) =>
    warn(`${where}: left out: ${error.message}`),
  );
  const planned = planLabels(reader.given, published);
  const isApplied = options.apply === true && (reader.refused.length === 0 || options.skipRefused === true);
  tell(planned, reader.refused, file, options, context);
  writeLine(context.stderr, summaryOf(planned, reader.refused));
  const written = isApplied ? await write(connection, topic, codec, planned, config, warn) : 0;
  if (reader.refused.length > 0 && options.skipRefused !== true)
    throw new ActuaryError(
      'input_invalid',
      `${file}: ${reader.refused.length} lines are refused, nothing was written: mend them, or leave them out with --skip-refused`,
    );
  writeLine(
    context.stderr,
    !isApplied
      ? 'dry run: nothing was written; --apply writes'
      : written === 0
        ? 'nothing to write'
        : `written to ${topic}; the load role brings it to gpu_failure_labels`,
  );
}

async function read(file: string, nowMs: number, context: CommandContext): Promise<LabelReader> {
  const reader = new LabelReader(nowMs);
  const { stream } = await openInput(file, context.stdin as Readable);
  for await (const block of linesOf(stream, () => undefined))
    for (const line of block) reader.take(line.toString('utf8'));
  return reader;
}

/** @returns records written */
async function write(
  connection: KafkaConnection,
  topic: string,
  codec: AvroCodec,
  planned: readonly PlannedLabel[],
  config: Config,
  warn: (message: string) => void,
): Promise<number> {
  const records = recordsOf(planned, topic, (label) => codec.encode('labels', label));
  if (records.length === 0) return 0;
  const sink = await openSink({ ...connection, instance: config.instance }, 'labels', MAX_MESSAGE_BYTES, warn);
  try {
    await sink.write(records);
    await sink.flush();
    return records.length;
  } finally {
    await sink.close();
  }
}

/** Labels go to standard output, refusals too, for they are what a program asks for; identical ones are counted only. */
function tell(
  planned: readonly PlannedLabel[],
  refused: readonly RefusedLabel[],
  file: string,
  { json }: Options,
  { stdout }: CommandContext,
): void {
  const lines = [
    ...planned.map((label) => ({ line: label.line, json: jsonOf(label), text: textOf(label) })),
    ...refused.map((one) => ({
      line: one.line,
      json: { outcome: 'refused', ...one },
      text: `refused    ${file}:${one.line}: ${one.code}: ${one.detail}`,
    })),
  ].sort((a, b) => a.line - b.line);
  for (const line of lines)
    if (json) writeLine(stdout, JSON.stringify(line.json));
    else if (line.text !== null) writeLine(stdout, line.text);
}

function jsonOf({ outcome, line, gpu_uuid, failed_at, type, before }: PlannedLabel): object {
  return { outcome, line, gpu_uuid, failed_at: isoTime(failed_at), type, before };
}

function textOf({ outcome, gpu_uuid, failed_at, type, before }: PlannedLabel): string | null {
  if (outcome === 'identical') return null;
  const was = before === null ? '' : ` (was ${before})`;
  return `${outcome.padEnd(9)}  ${gpu_uuid}  ${isoTime(failed_at)}  ${type ?? '-'}${was}`;
}

function summaryOf(planned: readonly PlannedLabel[], refused: readonly RefusedLabel[]): string {
  const count = (outcome: LabelOutcome): string =>
    `${planned.filter((one) => one.outcome === outcome).length} ${outcome}`;
  const codes = new Map<string, number>();
  for (const { code } of refused) codes.set(code, (codes.get(code) ?? 0) + 1);
  const reasons = [...codes].map(([code, times]) => `${times} ${code}`).join(', ');
  return [
    ...(['new', 'changed', 'identical', 'removed'] as const).map(count),
    `${refused.length} refused${reasons === '' ? '' : ` (${reasons})`}`,
  ].join(', ');
}
