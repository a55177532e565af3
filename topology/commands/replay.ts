import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Writable, Readable } from 'node:stream';
import { SurvivalBaseline } from '../../models/survival-baseline.js';
import type { Predictions, Scorer } from '../../models/scorer.js';
import { parseAssets } from '../../operators/assets.js';
import { PROFILES } from '../../operators/decide.js';
import { createDecoder, detectFormat, isExposition, type InputFormat } from '../../operators/decode/decoders.js';
import { epochMs } from '../../operators/decode/time.js';
import { HealthGrader, nextGrade } from '../../operators/health.js';
import { timeLimits } from '../../operators/judge-time.js';
import { WindowStore } from '../../operators/window/window-store.js';
import type { Config } from '../../schema/config.js';
import { isoMs } from '../../schema/dates.js';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import { isoTime, toJson, type AssetRecord, type Grade } from '../../schema/records.js';
import { parseAsOf, type AsOf } from '../replay/as-of.js';
import { linesOf, openInput } from '../replay/lines.js';
import { LineWriter, refuseToOverwrite } from '../replay/output.js';
import { progressOf } from '../replay/progress.js';
import { Replay, type InputMessage, type RejectedLine } from '../replay/replay.js';
import { Tally } from '../replay/tally.js';
import type { RowBlock } from '../score/rows.js';
import { decisionOf, healthOf, predictionOf, type RecordHead } from '../score/records.js';
import { namedFeatures, publishedFeatures } from '../score/unit.js';
import { endsAtSignal } from '../shutdown.js';
import {
  configurable,
  configurationFileOf,
  configurationOf,
  writeLine,
  type CommandContext,
  type ConfigurationOptions,
} from './context.js';
import { loadInForce } from './model-place.js';

const EMITS = ['features', 'predictions', 'health', 'decisions', 'rejected'] as const;
type Emit = (typeof EMITS)[number];

interface ReplayOptions extends ConfigurationOptions {
  input: string;
  format: string;
  assets?: string;
  emit: string;
  asOf: string;
  now?: string;
  at?: string;
  output: string;
}

export function replayCommand(context: CommandContext): Command {
  return configurable(new Command('replay'))
    .requiredOption('--input <file>', 'telemetry, one message a line; - for standard input')
    .option('--format <format>', 'auto, wide-json, wide-json-flat or prometheus-text', 'auto')
    .option('--assets <file>', 'asset register, JSON Lines')
    .option('--emit <kinds>', `any of ${EMITS.join(',')}`, 'features')
    .option('--as-of <when>', 'last, every:1h (or 15m, 1d), a time, or listed:FILE: when each GPU is evaluated', 'last')
    .option(
      '--now <time>',
      'judge event times against this time, best the end of the recording: future readings are rejected, past ones if ingest.maxAgeDays is set by --set; without it a reading of a wrong future makes all later ones of its GPU late',
    )
    .option('--at <time>', 'event time of a plain scrape file (prometheus-text without JSON)')
    .option('--output <file>', 'results, at their place when they are whole; - for standard output', '-')
    .addHelpText(
      'after',
      '\nA features line is {"gpu_uuid","as_of","features":{name: number|null}}, a rejected line\n' +
        '{"line","reason","gpu_uuid","metric","detail"}; lines of other kinds carry "kind".\n' +
        'With listed:FILE each GPU is evaluated at the times of its lines {"gpu_uuid","as_of"}.\n' +
        'For prometheus-text a line is {"timestamp_ms":…,"text":"…"}, or the file is one plain scrape with --at.\n',
    )
    .action((options: ReplayOptions) => replay(context, options));
}

async function replay(context: CommandContext, options: ReplayOptions): Promise<void> {
  const asked = askedFor(context, options);
  refuseToOverwrite(options.output, {
    '--input': options.input,
    '--assets': asked.assetsFile,
    '--as-of': asked.asOf.kind === 'listed' ? asked.asOf.file : null,
    '--config': configurationFileOf(context, options) ?? null,
  });
  const output = await LineWriter.open(options.output, context.stdout as Writable);
  const release =
    options.output === '-'
      ? () => undefined
      : endsAtSignal(() => writeLine(context.stderr, `replay: interrupted: nothing is kept of ${options.output}`));
  try {
    const tally = await replayTo(output, asked, context, options);
    await output.close();
    const summary = tally.summary(
      asked.emits.has('rejected'),
      [...asked.emits].some((kind) => kind !== 'rejected'),
    );
    if (summary !== null) writeLine(context.stderr, `replay: ${summary}`);
  } finally {
    release();
    output.discard();
  }
}

/** What the options ask for. */
interface Asked {
  readonly config: Config;
  readonly emits: ReadonlySet<Emit>;
  readonly asOf: AsOf;
  readonly nowMs: number | null;
  readonly atMs: number | null;
  readonly assetsFile: string | null;
  readonly assets: ReadonlyMap<string, AssetRecord>;
}

function askedFor(context: CommandContext, options: ReplayOptions): Asked {
  // Recordings are old by nature: only who asks for it by a flag has old readings refused.
  const config = configurationOf(context, options, ['ingest.maxAgeDays=0']);
  const emits = parseEmits(options.emit);
  const asOf = parseAsOf(options.asOf);
  const nowMs = options.now === undefined ? null : timeOption('--now', options.now);
  const atMs = options.at === undefined ? null : timeOption('--at', options.at);
  const assetsFile = options.assets ?? config.assets.file;
  return { config, emits, asOf, nowMs, atMs, assetsFile, assets: readAssets(assetsFile) };
}

async function replayTo(
  output: LineWriter,
  { config, emits, asOf, nowMs, atMs, assets }: Asked,
  context: CommandContext,
  options: ReplayOptions,
): Promise<Tally> {
  const scores = emits.has('predictions') || emits.has('decisions');
  const scorer = scores ? await loadInForce(config) : null;
  const input = await openInput(options.input, context.stdin as Readable);
  const progress = progressOf(context.stderr, input.bytes);
  const windows = new WindowStore({
    gapMs: config.windows.gapMs,
    featureSet: config.windows.featureSet,
    asset: (gpuUuid) => assets.get(gpuUuid),
  });
  const tally = new Tally();
  const results = new Results(config, windows, emits, scorer, output, tally);
  const reject = (rejected: RejectedLine): void => {
    tally.refuse(rejected.reason);
    if (emits.has('rejected')) output.push(rejected);
  };
  const baseline = emits.has('predictions') ? SurvivalBaseline.load(config.survival) : null;

  let bytes = 0;
  let lines = 0;
  try {
    const blocks = linesOf(input.stream, (count) => (bytes += count));
    let machine: Replay | undefined;
    let format: InputFormat | undefined;
    const plain: Buffer[] = [];
    for await (const block of blocks) {
      for (const line of block) {
        lines++;
        if (format === undefined) {
          if (isBlank(line)) continue;
          format = formatOf(options.format, line, atMs);
          machine = new Replay({
            decoder: createDecoder(format === 'prometheus-scrape' ? 'prometheus-text' : format, {
              profUnit: config.sources.find((source) => source.format === format)?.profUnit ?? 'percent',
              maxMessageBytes: config.ingest.maxMessageBytes,
            }),
            windows,
            asOf,
            nowMs,
            limits: timeLimits(config.ingest),
            rejected: reject,
            evaluate: (rows) => results.evaluate(rows),
          });
        }
        if (format === 'prometheus-scrape') plain.push(Buffer.from(line));
        else if (isBlank(line))
          reject({ line: lines, reason: 'empty', gpu_uuid: null, metric: null, detail: 'a blank line' });
        else {
          const message = messageOfLine(format, line, lines, reject);
          if (message !== null) await machine!.take(message);
        }
      }
      await output.settle();
      progress.update(bytes, lines);
    }
    if (format === 'prometheus-scrape')
      await machine!.take({
        line: 1,
        value: Buffer.from(plain.map((line) => `${line.toString('latin1')}\n`).join(''), 'latin1'),
        timestampMs: atMs!,
      });
    await machine?.finish();
    if (baseline !== null) results.predictUnheard(assets.values(), baseline, asOf.kind === 'at' ? asOf.timeMs : nowMs);
  } finally {
    progress.stop();
    await scorer?.close();
  }
  tally.lines = lines;
  return tally;
}

/** Computes and writes what is asked for, row by row. */
class Results {
  private readonly names;
  private readonly grader;
  private readonly profile;
  private readonly grades: (Grade | null)[] = [];

  constructor(
    config: Config,
    private readonly windows: WindowStore,
    private readonly emits: ReadonlySet<Emit>,
    private readonly scorer: Scorer | null,
    private readonly output: LineWriter,
    private readonly tally: Tally,
  ) {
    this.names = publishedFeatures(config.windows.featureSet);
    this.grader = new HealthGrader(config.health);
    this.profile = PROFILES[config.decisions.profile];
  }

  async evaluate(rows: RowBlock): Promise<void> {
    const predictions = this.scorer === null ? null : await this.scorer.score(rows);
    for (let row = 0; row < rows.count; row++) this.row(rows, row, predictions);
    await this.output.settle();
  }

  /**
   * Predicts the GPUs of the register of which no reading was accepted up to a time.
   * @param timeMs epoch ms; null: that of the newest reading of all, and nothing without one
   */
  predictUnheard(assets: Iterable<AssetRecord>, baseline: SurvivalBaseline, timeMs: number | null): void {
    const { windows } = this;
    let newestMs = -Infinity;
    const firstMs = new Map<string, number>();
    for (let slot = 0; slot < windows.size; slot++) {
      const ms = windows.newestMs(slot);
      if (Number.isNaN(ms)) continue;
      newestMs = Math.max(newestMs, ms);
      firstMs.set(windows.uuidOf(slot), windows.firstMs(slot));
    }
    const asOfMs = timeMs ?? newestMs;
    if (asOfMs === -Infinity) return;
    for (const asset of assets)
      if (!((firstMs.get(asset.gpu_uuid) ?? Infinity) <= asOfMs))
        this.push('prediction', baseline.predict(asset, asOfMs, 'schedule'));
  }

  private row(rows: RowBlock, row: number, predictions: Predictions | null): void {
    const slot = rows.slot[row];
    const offset = row * FEATURE_COUNT;
    const gpuUuid = this.windows.uuidOf(slot);
    const head: RecordHead = {
      gpu_uuid: gpuUuid,
      as_of: rows.asOfMs[row],
      newest_reading_at: rows.newestMs[row],
      trigger: 'schedule',
    };
    if (this.emits.has('features'))
      this.write({
        gpu_uuid: gpuUuid,
        as_of: isoTime(head.as_of),
        features: namedFeatures(this.names, rows.values, offset),
      });
    const metadata = rows.metadata[row];
    if (predictions !== null && this.emits.has('predictions'))
      this.push('prediction', predictionOf(head, metadata, this.scorer!, predictions, row, rows.values, offset));
    if (!this.emits.has('health') && !this.emits.has('decisions')) return;
    const { model } = metadata;
    const scored = this.grader.score(rows.values, offset, model);
    const health = Number.isNaN(scored) ? null : scored;
    const grade = nextGrade(this.grades[slot] ?? null, health);
    this.grades[slot] = grade;
    if (this.emits.has('health')) this.push('health', healthOf(head, this.grader, rows.values, offset, model, grade));
    if (predictions === null || !this.emits.has('decisions')) return;
    const decision = decisionOf(head, this.profile, model, health, grade, predictions.prob30d[row]);
    if (typeof decision !== 'string') this.push('decision', decision);
  }

  private push(kind: string, record: object): void {
    this.write({ kind, ...toJson(record) });
  }

  private write(line: object): void {
    this.tally.results++;
    this.output.push(line);
  }
}

function parseEmits(text: string): Set<Emit> {
  const emits = new Set<Emit>();
  for (const name of text.split(',').map((part) => part.trim())) {
    const emit = EMITS.find((known) => known === name);
    if (emit === undefined) throw new ActuaryError('usage', `--emit ${name}: expected any of ${EMITS.join(',')}`);
    emits.add(emit);
  }
  return emits;
}

function timeOption(option: string, text: string): number {
  const ms = isoMs(text);
  if (Number.isNaN(ms)) throw new ActuaryError('usage', `${option} ${text}: expected a time like 2026-01-31T12:00:00Z`);
  return ms;
}

function readAssets(file: string | null): Map<string, AssetRecord> {
  if (file === null) return new Map();
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ActuaryError('assets_invalid', `assets file ${file}: ${messageOf(error)}`, { cause: error });
  }
  return parseAssets(text, file);
}

function formatOf(option: string, firstLine: Buffer, atMs: number | null): InputFormat {
  const detected = detectFormat(firstLine);
  let format: InputFormat;
  if (option === 'auto') format = detected;
  else if (option === 'prometheus-text') format = detected === 'prometheus-scrape' ? detected : 'prometheus-text';
  else if (option === 'wide-json' || option === 'wide-json-flat') format = option;
  else
    throw new ActuaryError('usage', `--format ${option}: expected auto, wide-json, wide-json-flat or prometheus-text`);
  // Whoever names the format has bad lines refused one by one.
  if (option === 'auto' && format === 'prometheus-scrape' && !isExposition(firstLine))
    throw new ActuaryError('input_invalid', 'the first line is neither a JSON object nor Prometheus exposition text');
  if (format === 'prometheus-scrape' && atMs === null)
    throw new ActuaryError('usage', 'a plain scrape carries no time: give it with --at TIME');
  return format;
}

function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09) return false;
  return true;
}

/** The message of a line; a scrape comes wrapped in JSON with its time. Null where the wrapping is broken: rejected. */
function messageOfLine(
  format: InputFormat,
  line: Buffer,
  number: number,
  reject: (rejected: RejectedLine) => void,
): InputMessage | null {
  if (format !== 'prometheus-text') return { line: number, value: line, timestampMs: 0 };
  const problem = (reason: string, detail: string): null => {
    reject({ line: number, reason, gpu_uuid: null, metric: null, detail });
    return null;
  };
  let wrapped: { timestamp_ms?: unknown; text?: unknown };
  try {
    wrapped = JSON.parse(line.toString('utf8')) as typeof wrapped;
  } catch (error) {
    return problem('malformed', messageOf(error));
  }
  if (typeof wrapped !== 'object' || wrapped === null || typeof wrapped.text !== 'string')
    return problem('malformed', 'expected {"timestamp_ms","text"}');
  if (wrapped.timestamp_ms === undefined) return problem('missing_time', 'no timestamp_ms');
  const timestampMs = epochMs(wrapped.timestamp_ms);
  if (Number.isNaN(timestampMs)) return problem('bad_time', 'timestamp_ms is no time in epoch ms');
  return { line: number, value: Buffer.from(wrapped.text), timestampMs };
}
