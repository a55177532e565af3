import { existsSync } from 'node:fs';
import { describe } from 'vitest';
import { peerNeeds } from '../../bench/peers/build.js';
import { brokerNeeds } from '../../bench/support/kraft.js';
import { has } from '../../bench/support/processes.js';

/** Tools that some tests need and a user's machine may lack. */
const CHECKS = {
  kraft: async () => (await brokerNeeds()) === null,
  peers: async () => (await brokerNeeds()) === null && (await peerNeeds()) === null,
  java: () => has('java', ['-version']),
  mvn: () => has('mvn'),
  python: () => has('python3'),
  'kraft and python': async () => (await brokerNeeds()) === null && (await has('python3')),
  chromium: () => has('chromium'),
  promtool: () => has('promtool'),
  procfs: () => Promise.resolve(existsSync('/proc/self/stat')),
} as const;

export type Tool = keyof typeof CHECKS;

/**
 * A suite that needs a tool: skipped by name where the tool is missing, and failing under CI=true, where a skip would
 * pass for a proof.
 */
export async function describeWith(tool: Tool, name: string, suite: () => void): Promise<void> {
  const found = await CHECKS[tool]();
  if (!found && process.env.CI === 'true') throw new Error(`CI needs ${tool} for: ${name}`);
  describe.skipIf(!found)(`${name}${found ? '' : ` (skipped: ${tool} is missing)`}`, suite);
}
