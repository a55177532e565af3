import type { Readable } from 'node:stream';
import { Command } from 'commander';
import { factorInWords } from '../../models/explain/words.js';
import type { Scorer } from '../../models/scorer.js';
import type { Config } from '../../schema/config.js';
import { GPU_UUID } from '../../operators/decode/json.js';
import { ActuaryError, ERROR_CODES, messageOf, type ErrorCode } from '../../schema/errors.js';
import { FEATURE_COUNT, FEATURES, isFeature } from '../../schema/features.js';
import { linesOf, openInput } from '../replay/lines.js';
import { RowBlock } from '../score/rows.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';
import { loadInForce } from './model-place.js';

interface ExplainOptions extends ConfigurationOptions {
  features?: string;
  gpu?: string;
  json?: boolean;
}

/** A row of features with a name, as `replay --emit features`, gpu.features and the HTTP API have it. */
interface Given {
  readonly gpu_uuid?: unknown;
  readonly as_of?: unknown;
  readonly features: Readonly<Record<string, unknown>>;
}

/** Rows that are scored together. */
const BLOCK_ROWS = 256;

export function explainCommand(context: CommandContext): Command {
  return configurable(new Command('explain'))
    .option('--features <file>', 'features, JSON Lines as `replay --emit features` writes them; - for standard input')
    .option('--gpu <uuid>', 'a GPU of the running engine: its features are asked of http.host and http.port')
    .option('--json', 'a JSON object a row: the prediction, top_factors, and contributions to each hazard head')
    .action(async (options: ExplainOptions) => {
      if ((options.features === undefined) === (options.gpu === undefined))
        throw new ActuaryError('usage', 'give either --features FILE or --gpu UUID');
      if (options.gpu !== undefined && !GPU_UUID.test(options.gpu))
        throw new ActuaryError('usage', `--gpu ${options.gpu}: expected 1-128 of A-Za-z0-9._:-`);
      const config = configurationOf(context, options);
      const scorer = await loadInForce(config);
      try {
        if (scorer.explainer === null)
          throw new ActuaryError('model_missing', `${scorer.modelVersion} has no model.json that could be explained`);
        const given =
          options.gpu === undefined
            ? rowsOf(options.features!, context.stdin as Readable)
            : [await featuresOf(options.gpu, config)];
        if (options.gpu !== undefined) await tellOther(options.gpu, scorer, config, context);
        let block: Given[] = [];
        const print = async (): Promise<void> => {
          for (const line of await explain(block, scorer, options.json === true)) writeLine(context.stdout, line);
          block = [];
        };
        let count = 0;
        for await (const one of given) {
          count++;
          if (block.push(one) === BLOCK_ROWS) await print();
        }
        await print();
        if (count === 0) writeLine(context.stderr, `${options.features} has no line of features: nothing to explain`);
      } finally {
        await scorer.close();
      }
    });
}

async function explain(given: readonly Given[], scorer: Scorer, asJson: boolean): Promise<string[]> {
  const rows = new RowBlock(Math.max(1, given.length));
  for (const { features } of given) {
    const offset = rows.add(0, 0, 0, 0) * FEATURE_COUNT;
    FEATURES.forEach(({ name }, column) => {
      const value = features[name];
      rows.values[offset + column] = typeof value === 'number' ? value : NaN;
    });
  }
  const explainer = scorer.explainer!;
  const { prob7d, prob30d, prob90d } = await scorer.score(rows);
  return given.flatMap(({ gpu_uuid, as_of }, row) => {
    const offset = row * FEATURE_COUNT;
    const factors = explainer.topFactors(rows.values, offset, prob7d[row], prob30d[row]);
    if (asJson)
      return JSON.stringify({
        gpu_uuid: gpu_uuid ?? null,
        as_of: as_of ?? null,
        failure_prob_7d: prob7d[row],
        failure_prob_30d: prob30d[row],
        failure_prob_90d: prob90d[row],
        model_version: scorer.modelVersion,
        run_id: scorer.runId,
        top_factors: factors.map((factor) => ({ ...factor, words: factorInWords(factor) })),
        heads: Object.fromEntries(
          explainer.contributions(rows.values, offset).map(({ head, base, contributions }) => [
            head,
            {
              base,
              margin: contributions.reduce((sum, contribution) => sum + contribution, base),
              contributions: Object.fromEntries(Array.from(contributions, (each, i) => [FEATURES[i].name, each])),
            },
          ]),
        ),
      });
    const name = [gpu_uuid ?? `row ${row + 1}`, as_of].filter((part) => typeof part === 'string').join(' as of ');
    return [
      `${name}: ${(100 * prob30d[row]).toPrecision(3)} % within 30 days`,
      ...factors.map((factor) => `  ${factorInWords(factor)}`),
    ];
  });
}

async function* rowsOf(file: string, stdin: Readable): AsyncGenerator<Given> {
  let number = 0;
  for await (const block of linesOf((await openInput(file, stdin)).stream, () => undefined))
    for (const line of block) {
      number++;
      const text = line.toString('utf8');
      if (text.trim() !== '') yield parse(text, `${file === '-' ? 'standard input' : file}, line ${number}`);
    }
}

async function featuresOf(gpuUuid: string, config: Config): Promise<Given> {
  const { url, answer, text } = await ask('features', gpuUuid, config);
  if (!answer.ok) throw new ActuaryError(codeOf(text), `${url} answers ${answer.status}: ${text}`);
  return parse(text, url);
}

/** Says so where the engine's last prediction is another model's than the one that is explained. */
async function tellOther(gpuUuid: string, scorer: Scorer, config: Config, { stderr }: CommandContext): Promise<void> {
  const { answer, text } = await ask('predictions', gpuUuid, config);
  if (!answer.ok) return;
  const { model_version: theirs } = JSON.parse(text) as { model_version?: string };
  if (theirs !== scorer.modelVersion)
    writeLine(
      stderr,
      `the engine's last prediction is that of ${theirs}; this explains ${scorer.modelVersion}, which is in force by this configuration`,
    );
}

async function ask(
  what: 'features' | 'predictions',
  gpuUuid: string,
  config: Config,
): Promise<{ url: string; answer: Response; text: string }> {
  const { host, port } = config.http;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/${what}/${encodeURIComponent(gpuUuid)}`;
  try {
    const answer = await fetch(url);
    return { url, answer, text: await answer.text() };
  } catch (error) {
    const { cause = error } = error as { cause?: unknown };
    throw new ActuaryError(
      'engine_unreachable',
      `${url}: ${messageOf(cause)}. Is an engine with the serve role there?`,
      { cause },
    );
  }
}

/** The code that the engine itself gave; another server there gives none. */
function codeOf(body: string): ErrorCode {
  try {
    const { code } = JSON.parse(body) as { code?: unknown };
    return ERROR_CODES.find((known) => known === code) ?? 'engine_unreachable';
  } catch {
    return 'engine_unreachable';
  }
}

/** @throws ActuaryError input_invalid */
function parse(text: string, where: string): Given {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch (error) {
    throw new ActuaryError('input_invalid', `${where}: ${messageOf(error)}`, { cause: error });
  }
  const features = (row as Partial<Given> | null)?.features;
  if (typeof features !== 'object' || features === null || Array.isArray(features))
    throw new ActuaryError('input_invalid', `${where}: expected {"gpu_uuid","as_of","features":{name: number|null}}`);
  for (const [name, value] of Object.entries(features)) {
    if (!isFeature(name)) throw new ActuaryError('input_invalid', `${where}: no feature is called ${name}`);
    if (value !== null && typeof value !== 'number')
      throw new ActuaryError('input_invalid', `${where}: ${name} is neither a number nor null`);
  }
  return row as Given;
}
