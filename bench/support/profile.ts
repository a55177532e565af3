import { readFileSync } from 'node:fs';

/** What of V8's CPU profile format is used here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  /** Ids of the nodes that were met, and the microseconds before each. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Parts of the engine by the files their code stands in; the first that fits. */
const PARTS: readonly (readonly [part: string, pattern: RegExp])[] = [
  ['kafkajs', /node_modules\/kafkajs\//],
  ['node-rdkafka (JavaScript)', /node_modules\/node-rdkafka\//],
  ['model (onnxruntime)', /node_modules\/onnxruntime|\/models\//],
  ['decode', /\/operators\/decode\/|\/operators\/validate/],
  ['windows', /\/operators\/window\//],
  ['health, decisions, emission', /\/operators\//],
  ['Avro and batches', /node_modules\/avsc\/|\/schema\//],
  ['writing to Kafka', /\/sinks\//],
  ['roles and wiring', /\/topology\/|node_modules\/rxjs\//],
  ['metrics and HTTP', /\/serving\/|node_modules\/(prom-client|fastify|pino)/],
  ['Node itself', /^node:|^$/],
];

const ENGINE_SPECIAL: Readonly<Record<string, string>> = {
  '(garbage collector)': 'garbage collection',
  '(program)': 'native code',
  '(idle)': 'idle',
};

/**
 * Share of the main thread's time by part of the engine, of what it was not idle, largest first. Calls into native code
 * count for who makes them.
 */
export function shares(profiles: readonly CpuProfile[]): Record<string, number> {
  const times = new Map<string, number>();
  for (const { nodes, samples, timeDeltas } of profiles) {
    const partOfNode = new Map(nodes.map(({ id, callFrame }) => [id, partOf(callFrame.functionName, callFrame.url)]));
    for (const [index, id] of samples.entries()) {
      const part = partOfNode.get(id)!;
      if (part !== 'idle') times.set(part, (times.get(part) ?? 0) + Math.max(0, timeDeltas[index]));
    }
  }
  const all = [...times.values()].reduce((a, b) => a + b, 0);
  return Object.fromEntries(
    [...times].sort((a, b) => b[1] - a[1]).map(([part, time]) => [part, Number((time / all).toFixed(3))]),
  );
}

function partOf(functionName: string, url: string): string {
  return ENGINE_SPECIAL[functionName] ?? PARTS.find(([, pattern]) => pattern.test(url))?.[0] ?? 'other';
}

export function readProfile(file: string): CpuProfile {
  return JSON.parse(readFileSync(file, 'utf8')) as CpuProfile;
}
