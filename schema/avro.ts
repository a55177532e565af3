import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import avro from 'avsc';
import type { Compatibility, SchemaRegistryClient } from '@confluentinc/schemaregistry';
import { DecodeError } from './decode-error.js';
import { ActuaryError, messageOf } from './errors.js';
import { packageRoot } from './package-root.js';
import { TOPICS, topicName, type Topic, type TopicKey } from './topics.js';

/**
 * Avro in the Confluent wire format: a zero byte, the schema id as four bytes, the body. Schemas are registered at
 * start; without a registry the ids of schema/ids.json stand, fixed for ever. Bytes are encoded and decoded by avsc
 * directly; the registry's client only registers and fetches, once a schema.
 */

const MAGIC = 0;
/** Bytes before the body. */
export const HEADER_BYTES = 5;

export { DecodeError };

/** Topics whose values are Avro. */
export const AVRO_TOPICS = (Object.keys(TOPICS) as TopicKey[]).filter(
  (key) => (TOPICS[key] as Topic).schema !== undefined,
);

/** Text of a topic's schema as it stands in schema/. */
export function schemaText(key: TopicKey): string {
  return readFileSync(join(packageRoot(), 'schema', `${TOPICS[key].name}.avsc`), 'utf8');
}

/** Fixed ids are given in order from 1001 on, and none twice: one below this and beyond ours is a later version's. */
const FIXED_IDS_END = 2000;

/** Fixed ids of former versions: what topics hold under them is still read. */
const EARLIER: readonly { readonly key: TopicKey; readonly id: number }[] = [
  { key: 'assets', id: 1008 },
  { key: 'predictions', id: 1003 },
  { key: 'samples', id: 1001 },
];

/** Text of the schema that a topic's records had under a former fixed id. */
export function earlierSchemaText(key: TopicKey, id: number): string {
  return readFileSync(join(packageRoot(), 'schema', 'earlier', `${TOPICS[key].name}.${id}.avsc`), 'utf8');
}

interface Reader {
  readonly type: avro.Type;
  readonly resolver: avro.Resolver | undefined;
}

/** Encodes and decodes records of the engine's topics. One a process. */
export class AvroCodec {
  private readonly types = new Map<TopicKey, avro.Type>();
  private readonly readers = new Map<string, Reader>();

  private constructor(
    private readonly ids: ReadonlyMap<TopicKey, number>,
    private readonly registry: SchemaRegistryClient | null,
    private readonly prefix: string,
    /** Subjects that the registry does not let this process guard: they may be changed incompatibly. */
    readonly unguarded: readonly string[],
  ) {
    for (const key of AVRO_TOPICS) {
      const type = avro.Type.forSchema(JSON.parse(schemaText(key)) as avro.Schema);
      this.types.set(key, type);
      this.readers.set(`${key}/${ids.get(key)}`, { type, resolver: undefined });
    }
  }

  /**
   * Registers the schemas, each under a subject that stays backward compatible from now on.
   * @param registryUrl schema registry, user:password@ included where it asks for them, or null for the fixed ids
   * @param prefix topic prefix, which subjects bear too
   * @throws ActuaryError registry_unreachable, registry_incompatible
   */
  static async open(registryUrl: string | null, prefix: string): Promise<AvroCodec> {
    if (registryUrl === null) {
      const fixed = JSON.parse(readFileSync(join(packageRoot(), 'schema', 'ids.json'), 'utf8')) as Record<
        string,
        number
      >;
      const codec = new AvroCodec(new Map(AVRO_TOPICS.map((key) => [key, fixed[TOPICS[key].name]])), null, prefix, []);
      for (const { key, id } of EARLIER) codec.reads(key, id, earlierSchemaText(key, id));
      return codec;
    }
    const registry = await clientOf(registryUrl);
    const ids = new Map<TopicKey, number>();
    const unguarded: string[] = [];
    for (const key of AVRO_TOPICS) {
      const subject = subjectOf(prefix, key);
      // Before, so that what is there already is held against the new one; a new subject can only be guarded after.
      const before = await guard(registry, subject);
      ids.set(key, await register(registry, subject, schemaText(key)));
      if (before || (await guard(registry, subject))) continue;
      unguarded.push(subject);
    }
    return new AvroCodec(ids, registry, prefix, unguarded);
  }

  /** Whether schema ids are the fixed ones. */
  get fixedIds(): boolean {
    return this.registry === null;
  }

  encode(key: TopicKey, record: object): Buffer {
    return Buffer.concat([this.header(key), this.typeOf(key).toBuffer(record)]);
  }

  /** What a message of a topic begins with. */
  header(key: TopicKey): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = MAGIC;
    header.writeUInt32BE(this.ids.get(key)!, 1);
    return header;
  }

  /** Whether a message was written with this version's own schema. @throws DecodeError malformed */
  isOwn(key: TopicKey, message: Buffer): boolean {
    return schemaIdOf(message) === this.ids.get(key);
  }

  /**
   * Decodes a message; asks the registry for a writer's schema it has not met.
   * @throws DecodeError malformed, unknown_schema
   * @throws ActuaryError registry_unreachable: nothing is known about the message, try again; format_newer: another
   *   version of the engine reads it, so that it is neither to be passed over nor a dead letter
   */
  async decode<T>(key: TopicKey, message: Buffer): Promise<T> {
    const id = schemaIdOf(message);
    if (!this.readers.has(`${key}/${id}`)) await this.learn(key, id);
    return this.decodeKnown<T>(key, message);
  }

  /** As {@link decode}, for schema ids met before: no promise on the hot path. @throws DecodeError */
  decodeKnown<T>(key: TopicKey, message: Buffer): T {
    const id = schemaIdOf(message);
    const reader = this.readers.get(`${key}/${id}`);
    if (reader === undefined)
      throw new DecodeError('unknown_schema', `schema id ${id} is not known for ${TOPICS[key].name}`);
    let result: { value: unknown; offset: number };
    try {
      result = reader.type.decode(message, HEADER_BYTES, reader.resolver);
    } catch (error) {
      throw new DecodeError('malformed', messageOf(error));
    }
    if (result.offset !== message.length)
      throw new DecodeError('malformed', `${message.length} bytes, of which the schema explains ${result.offset}`);
    return result.value as T;
  }

  private async learn(key: TopicKey, id: number): Promise<void> {
    if (this.registry === null) {
      if (id > Math.max(...this.ids.values()) && id < FIXED_IDS_END) throw newer(key, id);
      throw new DecodeError(
        'unknown_schema',
        `schema id ${id} is not the fixed id of ${TOPICS[key].name}, and no registry is configured`,
      );
    }
    let text: string;
    try {
      text = (await this.registry.getBySubjectAndId(subjectOf(this.prefix, key), id)).schema;
    } catch (error) {
      if (statusOf(error) === 404)
        throw new DecodeError('unknown_schema', `the registry does not know schema id ${id}`);
      throw unreachable(error);
    }
    let schema: { readonly namespace?: string; readonly name?: string } = {};
    try {
      schema = JSON.parse(text) as typeof schema;
      this.reads(key, id, text);
    } catch (error) {
      // A record of our name is another version's; one of another name does not belong into the topic.
      if (`${schema.namespace}.${schema.name}` === this.typeOf(key).name) throw newer(key, id);
      throw new DecodeError(
        'unknown_schema',
        `schema id ${id} cannot be read as ${TOPICS[key].name}: ${messageOf(error)}`,
      );
    }
  }

  /** From now on messages of this schema id are read, as this version's own records. */
  private reads(key: TopicKey, id: number, writerSchema: string): void {
    const reader = this.typeOf(key);
    const writer = avro.Type.forSchema(JSON.parse(writerSchema) as avro.Schema);
    this.readers.set(`${key}/${id}`, { type: reader, resolver: reader.createResolver(writer) });
  }

  private typeOf(key: TopicKey): avro.Type {
    const type = this.types.get(key);
    if (type === undefined) throw new Error(`${key} carries no Avro`);
    return type;
  }
}

function subjectOf(prefix: string, key: TopicKey): string {
  return `${topicName(prefix, key)}-value`;
}

function newer(key: TopicKey, id: number): ActuaryError {
  return new ActuaryError(
    'format_newer',
    `${TOPICS[key].name} holds records of schema id ${id}, of a later version of the engine than this one: ` +
      'run the version that wrote them, or a later one',
  );
}

function schemaIdOf(message: Buffer): number {
  if (message.length < HEADER_BYTES || message[0] !== MAGIC)
    throw new DecodeError('malformed', 'not in the Confluent wire format');
  return message.readUInt32BE(1);
}

/**
 * The client takes a name and password apart from the URL. Its package brings the clients of every cloud's key store
 * along, a second of start-up and 30 MB of heap: only those pay for it who have a registry.
 */
async function clientOf(registryUrl: string): Promise<SchemaRegistryClient> {
  const { SchemaRegistryClient } = await import('@confluentinc/schemaregistry');
  const url = new URL(registryUrl);
  const userInfo = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return new SchemaRegistryClient({
    baseURLs: [url.toString().replace(/\/$/, '')],
    cacheCapacity: 1000,
    ...(userInfo === ':' ? {} : { basicAuthCredentials: { credentialsSource: 'USER_INFO', userInfo } }),
  });
}

/** Of the client's Compatibility. */
const GUARDED: ReadonlySet<string> = new Set(['BACKWARD', 'BACKWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE']);

/** Sees to it that a subject takes backward compatible versions only. @returns whether it does */
async function guard(registry: SchemaRegistryClient, subject: string): Promise<boolean> {
  try {
    if (GUARDED.has(await registry.getCompatibility(subject))) return true;
  } catch (error) {
    if (statusOf(error) === undefined) throw unreachable(error);
  }
  try {
    await registry.updateCompatibility(subject, 'BACKWARD' as Compatibility);
    return true;
  } catch (error) {
    // No such subject yet, or no right to say so.
    if (statusOf(error) === undefined) throw unreachable(error);
    return false;
  }
}

async function register(registry: SchemaRegistryClient, subject: string, schema: string): Promise<number> {
  try {
    return await registry.register(subject, { schemaType: 'AVRO', schema });
  } catch (error) {
    if (statusOf(error) === 409)
      throw new ActuaryError(
        'registry_incompatible',
        `the schema registry refuses ${subject}: a version there is incompatible with this one (${messageOf(error)}). Use another kafka.topicPrefix or remove the subject`,
        { cause: error },
      );
    throw unreachable(error);
  }
}

function unreachable(error: unknown): ActuaryError {
  return new ActuaryError('registry_unreachable', `schema registry: ${messageOf(error)}`, { cause: error });
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown }).status;
  return typeof status === 'number' ? status : undefined;
}
