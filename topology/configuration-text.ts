import type { TSchema } from '@sinclair/typebox';
import { Document, isMap, isScalar, isSeq, type YAMLMap } from 'yaml';
import { ConfigSchema, type Config } from '../schema/config.js';

/** A key that holds a value, as people look it up. */
export interface KeyDescription {
  /** Dotted; `sources[]` stands for each item of a list. */
  readonly key: string;
  readonly type: string;
  /** As JSON; null where a value is required or left out. */
  readonly default: string | null;
  readonly description: string;
}

/** Every key of the configuration, in the order of its schema. */
export function describeKeys(schema: TSchema = ConfigSchema, path = ''): KeyDescription[] {
  return Object.entries(propertiesOf(schema)).flatMap(([name, child]) => {
    const key = path === '' ? name : `${path}.${name}`;
    const items = child.type === 'array' ? (child.items as TSchema) : undefined;
    const own: KeyDescription = {
      key,
      type: typeOf(child),
      default: child.default === undefined ? null : JSON.stringify(child.default),
      description: child.description ?? '',
    };
    if (items?.properties !== undefined) return [own, ...describeKeys(items, `${key}[]`)];
    return isSection(child) ? describeKeys(child, key) : [own];
  });
}

/** The configuration as YAML, what each key means above it. */
export function annotatedYaml(config: Config): string {
  const document = new Document(inOrder(config));
  if (isMap(document.contents)) annotate(document.contents, ConfigSchema);
  return document.toString({ lineWidth: 0 }).trimEnd();
}

function annotate(map: YAMLMap, schema: TSchema): void {
  const properties = propertiesOf(schema);
  for (const [index, { key, value }] of map.items.entries()) {
    const child = isScalar(key) ? properties[String(key.value)] : undefined;
    if (child === undefined || !isScalar(key)) continue;
    if (child.description !== undefined) key.commentBefore = ` ${child.description}`;
    if (schema === ConfigSchema && index > 0) key.spaceBefore = true;
    if (isMap(value)) annotate(value, child);
    // Once is enough for a list.
    const first = isSeq(value) ? value.items[0] : undefined;
    if (isMap(first)) annotate(first, child.items as TSchema);
  }
}

/** Sections in the order of the schema, whoever set them first. */
function inOrder(config: Config): Partial<Config> {
  return Object.fromEntries(Object.keys(propertiesOf(ConfigSchema)).map((key) => [key, config[key as keyof Config]]));
}

const propertiesOf = (schema: TSchema): Record<string, TSchema> =>
  (schema.properties as Record<string, TSchema> | undefined) ?? {};

/** Sections are told by their keys; a table by model or factor is a value of its own. */
const isSection = (schema: TSchema): boolean =>
  schema.properties !== undefined && Object.values(propertiesOf(schema)).some(({ description }) => description);

function typeOf(schema: TSchema): string {
  const members = schema.anyOf as TSchema[] | undefined;
  if (members !== undefined) return members.map(typeOf).join(' or ');
  if ('const' in schema) return String(schema.const);
  return schema.type === 'array' ? `list of ${typeOf(schema.items as TSchema)}` : String(schema.type);
}
