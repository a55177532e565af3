import type { Command } from 'commander';
import type { CommandContext } from './context.js';

export interface Entry {
  readonly description: string;
  /** Loads what the command needs: to load that of all takes longer than most of them run. */
  readonly load: () => Promise<(context: CommandContext) => Command>;
}

/** The commands, in the order of the help, which is printed from here. */
export const CATALOGUE: Readonly<Record<string, Entry>> = {
  demo: {
    description: 'everything in one process: embedded Kafka and PostgreSQL, a simulated fleet, the engine, the page',
    load: async () => (await import('./demo.js')).demoCommand,
  },
  run: {
    description: 'run the engine: reads and writes your Kafka until it is told to stop',
    load: async () => (await import('./run.js')).runCommand,
  },
  drain: {
    description: 'read gpu.samples to its end, close the open hours of all GPUs, write everything down, and exit',
    load: async () => (await import('./drain.js')).drainCommand,
  },
  replay: {
    description: 'run recorded telemetry through the engine without a broker; deterministic, JSON Lines in and out',
    load: async () => (await import('./replay.js')).replayCommand,
  },
  simulate: {
    description: 'telemetry of a simulated fleet, with its asset register and its true failures',
    load: async () => (await import('./simulate.js')).simulateCommand,
  },
  'training-set': {
    description: 'rows to train the failure model on: fleets of many worlds, their features, what became of them',
    load: async () => (await import('./training-set.js')).trainingSetCommand,
  },
  decide: {
    description: 'what if: the value of keeping, selling, repurposing or scrapping one GPU',
    load: async () => (await import('./decide.js')).decideCommand,
  },
  explain: {
    description: 'say what moves the failure odds of GPUs: which features, by how much',
    load: async () => (await import('./explain.js')).explainCommand,
  },
  evaluate: {
    description: 'hold past predictions of the database against the failures in gpu_failure_labels',
    load: async () => (await import('./evaluate.js')).evaluateCommand,
  },
  topics: {
    description: "manage the engine's topics",
    load: async () => (await import('./topics.js')).topicsCommand,
  },
  'dead-letters': {
    description: 'look at what could not be read, scored or loaded',
    load: async () => (await import('./dead-letters.js')).deadLettersCommand,
  },
  db: {
    description: 'manage the database',
    load: async () => (await import('./db.js')).dbCommand,
  },
  labels: {
    description: 'observed failures: what predictions are held against',
    load: async () => (await import('./labels.js')).labelsCommand,
  },
  model: {
    description: 'failure models: look at them, check them, put them in force',
    load: async () => (await import('./model.js')).modelCommand,
  },
  config: {
    description: 'check or print the configuration in force',
    load: async () => (await import('./config.js')).configCommand,
  },
};
