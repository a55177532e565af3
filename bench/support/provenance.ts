import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import rdkafka from 'node-rdkafka';
import { packageRoot } from '../../schema/package-root.js';

/** Where, when and on what a figure was measured. */
export interface Provenance {
  readonly measuredAt: string;
  /** With a + behind it where the checkout has changes that are not committed. */
  readonly commit: string | null;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly versions: Readonly<Record<string, string>>;
}

const LIBRARIES = ['kafkajs', 'node-rdkafka', 'onnxruntime-node', 'avsc'];

/** @param broker its version, or how it was come by */
export function provenance(broker?: string): Provenance {
  return {
    measuredAt: new Date().toISOString(),
    commit: commit(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    versions: {
      node: process.versions.node,
      ...Object.fromEntries(LIBRARIES.map((name) => [name, versionOf(name)])),
      librdkafka: rdkafka.librdkafkaVersion,
      ...(broker === undefined ? {} : { broker }),
    },
  };
}

function commit(): string | null {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: packageRoot(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? '+' : '');
  } catch {
    // Not a checkout.
    return null;
  }
}

function versionOf(name: string): string {
  const manifest = join(packageRoot(), 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
