import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { packageRoot } from '../../schema/package-root.js';
import { has, run } from '../support/processes.js';
import { wholly } from '../support/wholly.js';

/** The peers' programs, ready to run. */
export interface PeerPrograms {
  /** For java -cp. */
  readonly classPath: string;
  /** Of what the peers are made of, as the names of the jars have them. */
  readonly versions: Readonly<Record<string, string>>;
}

const PACKAGE = 'gpuactuary/peers';
const sources = (): string => join(packageRoot(), 'bench', 'peers', 'java', PACKAGE);
const cache = (): string => join(packageRoot(), '.cache', 'peers');
const manifest = (): string => join(packageRoot(), 'bench', 'peers', 'pom.xml');
/** A runtime that has the compiler's module will do: it need not be called a development kit. */
const COMPILER = ['-m', 'jdk.compiler/com.sun.tools.javac.Main'];

/** What is missing on this machine to build and run the peers; null if nothing is. */
export async function peerNeeds(): Promise<string | null> {
  const missing: string[] = [];
  if (!(await has('java', [...COMPILER, '-version']))) missing.push('java 17 with its compiler');
  if (!existsSync(await libraries()) && !(await has('mvn'))) missing.push('maven');
  return missing.length === 0 ? null : missing.join(' and ');
}

/** Fetches what the peers are built on by Maven and compiles them, each once for each state of their sources. */
export async function buildPeers(): Promise<PeerPrograms> {
  const libs = await libraries();
  await wholly(libs, (into) =>
    run('mvn', [
      ...['-q', '-B', '-f', manifest(), 'dependency:copy-dependencies'],
      ...['-DincludeScope=runtime', `-DoutputDirectory=${into}`],
    ]),
  );
  const jars = (await readdir(libs)).map((name) => join(libs, name)).join(delimiter);
  const files = (await readdir(sources())).sort().map((name) => join(sources(), name));
  const classes = join(cache(), `classes-${await fingerprint([manifest(), ...files])}`);
  await wholly(classes, (into) => run('java', [...COMPILER, '-nowarn', '-cp', jars, '-d', into, ...files]));
  return { classPath: [classes, jars].join(delimiter), versions: await versionsIn(libs) };
}

const libraries = async (): Promise<string> => join(cache(), `libs-${await fingerprint([manifest()])}`);

async function fingerprint(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 12);
}

const TOLD = { flink: 'flink-streaming-java', flinkKafka: 'flink-connector-kafka', kafkaStreams: 'kafka-streams' };

async function versionsIn(libs: string): Promise<Record<string, string>> {
  const names = await readdir(libs);
  const versionOf = (artifact: string): string =>
    names.find((name) => name.startsWith(`${artifact}-`))?.slice(artifact.length + 1, -'.jar'.length) ?? 'unknown';
  return Object.fromEntries(Object.entries(TOLD).map(([name, artifact]) => [name, versionOf(artifact)]));
}
