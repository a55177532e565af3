import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Kind, type TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import { HealthGrader } from '../operators/health.js';
import { ConfigSchema, type Config } from '../schema/config.js';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { decimal } from './decimal.js';

/**
 * Puts the configuration together: defaults, then a YAML or JSON file, then environment variables
 * (GPU_ACTUARY_KAFKA_BROKERS for kafka.brokers), then `--set key=value` flags. What is unknown or of a wrong type is
 * refused with the path of the key.
 */

export interface ConfigurationInputs {
  readonly file?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `key=value` pairs, the last of a key wins. */
  readonly sets: readonly string[];
}

const ENVIRONMENT_PREFIX = 'GPU_ACTUARY_';
/** What Kubernetes injects for a Service named gpu-actuary, or gpu-actuary-something; not ours. */
const SERVICE_LINK = /^([A-Z0-9_]+_)?(SERVICE_(HOST|PORT(_.*)?)|PORT_\d+_(TCP|UDP)(_.*)?)$/;
const SERVICE_URL = /^(tcp|udp):\/\//;

/** Keys whose values are never told, also where they are wrong. */
const HOLDS_SECRETS = /^(kafka\.(properties|registry)|model\.mlflow\.(token|url)|database\.url)/;

type Tree = { [key: string]: unknown };

/** @throws ActuaryError config_unreadable, config_invalid */
export function loadConfiguration(inputs: ConfigurationInputs): Config {
  const tree: Tree = inputs.file === undefined ? {} : readFile(inputs.file);
  for (const [name, value] of Object.entries(inputs.environment)) {
    if (value === undefined || !name.startsWith(ENVIRONMENT_PREFIX)) continue;
    const rest = name.slice(ENVIRONMENT_PREFIX.length);
    const path = environmentPath(rest);
    if (path === undefined && (SERVICE_LINK.test(rest) || SERVICE_URL.test(value))) continue;
    if (path === undefined)
      throw new ActuaryError('config_invalid', `environment variable ${name} names no configuration key`);
    assign(tree, path, value, name);
  }
  for (const pair of inputs.sets) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new ActuaryError('config_invalid', `--set ${pair}: expected key=value`);
    const key = pair.slice(0, equals);
    assign(tree, setPath(key), pair.slice(equals + 1), `--set ${key}`);
  }
  const config = validate(tree);
  return { ...config, instance: config.instance === '' ? hostname() : config.instance };
}

/** Applies defaults and refuses what does not fit. @throws ActuaryError config_invalid naming every bad key */
export function validate(tree: unknown): Config {
  const withDefaults = Value.Default(ConfigSchema, fillEmpty(ConfigSchema, structuredClone(tree ?? {})));
  const problems = new Map<string, string>();
  for (const error of Value.Errors(ConfigSchema, withDefaults)) {
    const path = error.path.slice(1).replaceAll('/', '.').replaceAll('~1', '/') || '(top level)';
    if (problems.has(path)) continue;
    problems.set(path, describeError(error.schema, error.message, HOLDS_SECRETS.test(path) ? '***' : error.value));
  }
  if (problems.size > 0) {
    const lines = [...problems].map(([path, problem]) => `${path}: ${problem}`);
    throw new ActuaryError('config_invalid', `configuration: ${lines.join('; ')}`);
  }
  const config = withDefaults as Config;
  const senseless = senselessIn(config);
  if (senseless.length > 0) throw new ActuaryError('config_invalid', `configuration: ${senseless.join('; ')}`);
  try {
    new HealthGrader(config.health);
  } catch (error) {
    throw new ActuaryError('config_invalid', `configuration: health.rules: ${messageOf(error)}`, { cause: error });
  }
  return config;
}

/** What each fits by itself and means nothing. */
function senselessIn({ kafka, alerts }: Config): string[] {
  const problems: string[] = [];
  if (kafka.replicationFactor === 0) problems.push('kafka.replicationFactor: expected -1, or 1 and more, not 0');
  if (alerts.actionHours > alerts.failureHours)
    problems.push(
      `alerts.actionHours: ${alerts.actionHours} is more than alerts.failureHours, ${alerts.failureHours}: risk_high would never fire`,
    );
  return problems;
}

/** `http:` with nothing under it is null in YAML, and means a section of which no key is set. */
function fillEmpty(schema: TSchema, value: unknown): unknown {
  if (schema.type === 'array' && Array.isArray(value))
    return value.map((item: unknown) => fillEmpty(schema.items as TSchema, item));
  if (schema.type !== 'object' || Array.isArray(value)) return value;
  if (value === null) return structuredClone(schema.default ?? {});
  if (typeof value !== 'object') return value;
  for (const [key, child] of Object.entries(value as Tree)) {
    const known = memberOf(schema, key);
    if (known !== undefined) (value as Tree)[key] = fillEmpty(known, child);
  }
  return value;
}

/** What a key of an object has to be; undefined: it is no key of it. */
function memberOf(schema: TSchema, key: string): TSchema | undefined {
  if (schema.properties !== undefined) {
    const properties = schema.properties as Record<string, TSchema>;
    return Object.hasOwn(properties, key) ? properties[key] : undefined;
  }
  return schema.patternProperties === undefined
    ? undefined
    : Object.values(schema.patternProperties as Record<string, TSchema>)[0];
}

function describeError(schema: TSchema, message: string, value: unknown): string {
  if (message === 'Unexpected property') return 'unknown key';
  const choices = choicesOf(schema);
  const shown = JSON.stringify(value)?.slice(0, 60) ?? 'nothing';
  if (choices !== undefined) return `expected one of ${choices.join(', ')}, got ${shown}`;
  if (schema.expected !== undefined) return `expected ${String(schema.expected)}, got ${shown}`;
  return `${message.charAt(0).toLowerCase()}${message.slice(1)}, got ${shown}`;
}

function choicesOf(schema: TSchema): string[] | undefined {
  const members = schema.anyOf as TSchema[] | undefined;
  if (members === undefined) return undefined;
  return members.map((member) => {
    if ('const' in member) return String(member.const);
    return String(member.expected ?? member.type ?? member[Kind]);
  });
}

function readFile(file: string): Tree {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ActuaryError('config_unreadable', `configuration file ${file}: ${messageOf(error)}`, { cause: error });
  }
  let tree: unknown;
  try {
    tree = parseYaml(text) ?? {};
  } catch (error) {
    const several = error instanceof YAMLParseError && error.code === 'MULTIPLE_DOCS';
    const problem = several ? 'expected one YAML document, and --- begins another' : messageOf(error);
    throw new ActuaryError('config_invalid', `configuration file ${file}: ${problem}`, { cause: error });
  }
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree))
    throw new ActuaryError('config_invalid', `configuration file ${file}: expected a mapping of keys`);
  return tree as Tree;
}

/** kafka.topicPrefix for KAFKA_TOPIC_PREFIX: follows the schema, for a key may itself be several words. */
function environmentPath(name: string): string[] | undefined {
  const search = (schema: TSchema, rest: string, path: string[]): string[] | undefined => {
    if (rest === '') return path;
    const properties = schema.properties as Record<string, TSchema> | undefined;
    if (properties === undefined) return undefined;
    for (const [key, child] of Object.entries(properties)) {
      const words = key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
      if (rest === words) return [...path, key];
      if (rest.startsWith(`${words}_`)) {
        const found = search(child, rest.slice(words.length + 1), [...path, key]);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  return search(ConfigSchema, name, []);
}

/** Splits a dotted key; below kafka.properties the rest is one key, for librdkafka's names have dots. */
function setPath(key: string): string[] {
  const properties = 'kafka.properties.';
  if (key.startsWith(properties)) return ['kafka', 'properties', key.slice(properties.length)];
  return key.split('.');
}

function schemaAt(path: readonly string[]): TSchema | undefined {
  let schema: TSchema | undefined = ConfigSchema;
  for (const key of path) {
    if (schema === undefined) return undefined;
    if (schema.type === 'array') schema = schema.items as TSchema;
    else if (schema.properties !== undefined) schema = (schema.properties as Record<string, TSchema>)[key];
    else if (schema.patternProperties !== undefined)
      schema = Object.values(schema.patternProperties as object)[0] as TSchema;
    else return undefined;
  }
  return schema;
}

/** Sets a value that arrives as text at a path, read by the type that the schema wants there. */
function assign(tree: Tree, path: string[], text: string, from: string): void {
  const schema = schemaAt(path);
  if (schema === undefined) throw new ActuaryError('config_invalid', `${from}: ${path.join('.')}: unknown key`);
  let node: Tree = tree;
  for (const [index, key] of path.slice(0, -1).entries()) {
    const next = node[key];
    if (Array.isArray(next) || (typeof next === 'object' && next !== null)) node = next as Tree;
    else {
      const defaults: unknown = structuredClone(schemaAt(path.slice(0, index + 1))?.default);
      node[key] = Array.isArray(defaults) ? defaults : {};
      node = node[key] as Tree;
    }
  }
  node[path[path.length - 1]] = readText(schema, text, `${from} (${path.join('.')})`);
}

function readText(schema: TSchema, text: string, from: string): unknown {
  const members = (schema.anyOf as TSchema[] | undefined) ?? [schema];
  const has = (type: string) => members.some((member) => member.type === type);
  if (has('null') && text === 'null') return null;
  // Where any text will do, text it is: a password 0123 is no number.
  if (members.some((member) => member.type === 'string' && !('const' in member))) return text;
  if (has('array')) {
    if (text.trimStart().startsWith('[')) return readJson(text, from);
    return text.split(',').map((item) => item.trim());
  }
  if (has('object')) return readJson(text, from);
  if ((has('number') || has('integer')) && Number.isFinite(decimal(text))) return decimal(text);
  if (has('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function readJson(text: string, from: string): unknown {
  try {
    return parseYaml(text) as unknown;
  } catch (error) {
    throw new ActuaryError('config_invalid', `${from}: ${messageOf(error)}`, { cause: error });
  }
}

/** The configuration as shown to people: passwords and secrets masked. */
export function maskSecrets(config: Config): Config {
  const properties: Config['kafka']['properties'] = {};
  for (const [key, value] of Object.entries(config.kafka.properties))
    properties[key] = /password|secret|\.key\.pem|token/i.test(key) ? '***' : value;
  return {
    ...config,
    kafka: { ...config.kafka, properties, registry: maskUrl(config.kafka.registry) },
    model: {
      ...config.model,
      mlflow: {
        ...config.model.mlflow,
        url: maskUrl(config.model.mlflow.url),
        token: config.model.mlflow.token === null ? null : '***',
      },
    },
    database: { ...config.database, url: maskUrl(config.database.url) },
  };
}

/** Up to the last @ before the path: people put that character into passwords unescaped. */
function maskUrl(url: string | null): string | null {
  return url === null ? null : url.replace(/(:\/\/[^:@/]*):[^/]*@/, '$1:***@').replace(/([?&]password=)[^&]*/, '$1***');
}
