import { cpus, totalmem } from 'node:os';
import type { ChaosResult } from './run.js';
import { KINDS, MEANING } from './schedule.js';
import { lineOf, type Verdict } from './verifier.js';

/** A run as a page of docs/. @param date of the run, ISO 8601 */
export function reportOf(
  { events, messages, batches, batchesMeanwhile, atFailPoint, seconds, parts, verdict, unwanted }: ChaosResult,
  seed: number,
  date: string,
): string {
  const count = (kind: string): number => events.filter((event) => event.kind === kind).length;
  const row = (name: string, one: Verdict): string =>
    `| ${name} | ${one.records} | ${one.lost} | ${one.duplicated} | ${one.differing} |`;
  const ends = new Map<string, number>();
  for (const { status, code } of unwanted) {
    const how = `${status}, ${code}`;
    ends.set(how, (ends.get(how) ?? 0) + 1);
  }
  return `# A run of the chaos test

\`npm run test:chaos -- --events ${events.length} --seed ${seed}\` on ${date}, ${machine()}. ${seconds} s of disturbance, ${messages} raw messages, of which ingest made ${batches} batches, ${batchesMeanwhile} of them while it was disturbed. What is compared with what: [testing.md](testing.md#chaos).

\`\`\`
${lineOf(events.length, verdict)}
\`\`\`

| event | times | what |
|---|---|---|
${KINDS.map((kind) => `| ${kind} | ${count(kind)} | ${MEANING[kind]} |`).join('\n')}

| compared | records | lost | duplicated | differing |
|---|---|---|---|---|
${[...parts].map(([name, one]) => row(name, one)).join('\n')}

${atFailPoint} of the ${count('kill-at-step')} processes that were to kill themselves at a step of a transaction came to it before something else ended them.

${
  ends.size === 0
    ? 'No process ended by itself.'
    : `Processes that ended by themselves, and were started again: ${[...ends].map(([how, times]) => `${times} with ${how}`).join('; ')}.`
}
`;
}

function machine(): string {
  const [{ model }] = cpus();
  return `${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
}
