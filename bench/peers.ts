import { buildPeers, peerNeeds } from './peers/build.js';
import {
  measureBare,
  measureEngine,
  measurePeer,
  ratios,
  summaryOf,
  told,
  type Ground,
  type Outcome,
} from './peers/compare.js';
import { searchHeap, type HeapFound } from './peers/heap.js';
import type { PeersOptions } from './peers/options.js';
import { PEERS, type PeerName } from './peers/run.js';
import { prepareTopic } from './peers/topics.js';
import { warmUpRepeatsOn, type Cluster } from './support/cluster.js';
import { KafkaAdmin } from './support/kafka-admin.js';
import { provenance } from './support/provenance.js';
import { say } from './support/say.js';
import { significant } from './support/statistics.js';

/** Said with every figure: it is not one amount of work. */
const WORK =
  'peers: 20 features a record and nothing else; the engine: ingest re-keys through Kafka, all features, the model, health, decisions';

/** Engine and peers in turn on the same topic, each time on empty state. */
export async function benchPeers(cluster: Cluster, options: PeersOptions): Promise<object> {
  if (cluster.kind === 'embedded') throw new Error('the peers need a real broker, not --embedded');
  const missing = await peerNeeds();
  if (missing !== null) throw new Error(`${missing} is missing to build and run the peers`);
  const names = (Object.keys(PEERS) as PeerName[]).filter((name) => options.peer === 'all' || options.peer === name);
  const admin = await KafkaAdmin.open(cluster);
  const topic = options.topic ?? `bench-${Date.now()}-peers`;
  try {
    const programs = await buildPeers();
    const prepared = await prepareTopic(cluster, admin, { ...options, topic });
    const ground: Ground = { cluster, admin, programs, prepared, options };
    const outcomes = await inTurn(ground, names);
    const summaries = Object.fromEntries([...outcomes].map(([name, list]) => [name, summaryOf(list)]));
    const heaps = await heapsOf(ground, names);
    const { engine, bare } = summaries;
    return {
      bench: 'peers',
      void: [...outcomes.values()].flat().find((outcome) => outcome.void !== null)?.void ?? null,
      ...summaries,
      ...(engine === undefined
        ? {}
        : {
            // As every other bench has it: of the engine.
            samplesPerSecond: engine.recordsPerSecond,
            bareSamplesPerSecond: bare.recordsPerSecond,
            ratio: significant(engine.recordsPerSecond / bare.recordsPerSecond, 4),
            cpuMicrosPerSample: engine.cpuMicrosPerRecord,
            rssMb: engine.rssMb,
            engineTo: Object.fromEntries(names.map((name) => [name, ratios(engine, summaries[name], heaps?.[name])])),
          }),
      ...(heaps === null ? {} : { smallestHeap: heaps }),
      work: WORK,
      settings: {
        ...{ guarantee: options.guarantee, emit: options.emit, heap: options.heap },
        ...{ gpus: options.gpus, samples: options.samples, processes: options.processes },
        ...{ repeats: options.repeats, warmUpRepeats: warmUps(ground) },
        ...{ cadenceMs: options.cadenceMs, partitions: options.partitions, windowsPrefilled: options.prefill },
        set: options.set,
      },
      peerVersions: programs.versions,
      ...provenance(cluster.version),
    };
  } finally {
    if (options.topic === undefined) await admin.tidyUp([topic]);
    await admin.close();
  }
}

/** By the engine, which uses most of the broker; none without it. */
const warmUps = ({ cluster, options }: Ground): number =>
  options.engine ? warmUpRepeatsOn(cluster, options.warmUpRepeats) : 0;

async function inTurn(ground: Ground, names: readonly PeerName[]): Promise<Map<string, Outcome[]>> {
  const { options } = ground;
  const contenders: readonly (readonly [string, () => Promise<Outcome>])[] = [
    ...(options.engine
      ? [['bare', () => measureBare(ground)] as const, ['engine', () => measureEngine(ground)] as const]
      : []),
    ...names.map((name) => [name, () => measurePeer(ground, name, options.heap)] as const),
  ];
  const outcomes = new Map<string, Outcome[]>(contenders.map(([name]) => [name, []]));
  for (let index = 0; index < warmUps(ground); index++)
    say(told(`warm-up ${index + 1} of ${warmUps(ground)}, engine`, await measureEngine(ground)));
  for (let repeat = 0; repeat < options.repeats; repeat++)
    // Back and forth, so that none always runs on what another has left behind.
    for (const [name, measure] of repeat % 2 === 0 ? contenders : [...contenders].reverse()) {
      const outcome = await measure();
      say(told(`repeat ${repeat + 1} of ${options.repeats}, ${name}`, outcome));
      outcomes.get(name)!.push(outcome);
    }
  return outcomes;
}

async function heapsOf(ground: Ground, names: readonly PeerName[]): Promise<Record<string, HeapFound> | null> {
  const { heapSearch } = ground.options;
  if (heapSearch === undefined) return null;
  const found: Record<string, HeapFound> = {};
  for (const name of names)
    found[name] = await searchHeap(heapSearch === true ? undefined : heapSearch.split(','), async (heap) => {
      const outcomes: Outcome[] = [];
      for (let repeat = 0; repeat < ground.options.repeats; repeat++) {
        outcomes.push(await measurePeer(ground, name, heap));
        say(told(`${name}, -Xmx${heap}`, outcomes.at(-1)!));
      }
      return summaryOf(outcomes);
    });
  return found;
}
