import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';

/** Runs a piece of a program in a process of its own, for what ends the process. */
function run(program: string): { status: number | null; log: string } {
  const head = `
    import { endsWithinDeadline, logUncaught } from './topology/shutdown.ts';
    const say = (fields, message) => console.log(JSON.stringify({ ...fields, message }));
    const log = { debug: say, info: say, warn: say, error: say };
  `;
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', head + program],
    { cwd: packageRoot(), encoding: 'utf8' },
  );
  return { status, log: stdout };
}

describe('the end of a process', () => {
  it('comes by the deadline with 1 and a code where a stop hangs', () => {
    const { status, log } = run('await endsWithinDeadline(() => new Promise(() => undefined), 50, log);');
    expect(status).toBe(1);
    expect(log).toContain('"code":"shutdown_deadline"');
  });

  it('comes with 0 after a stop, whatever is left open', () => {
    const { status, log } = run(
      'setInterval(() => undefined, 1000); await endsWithinDeadline(() => Promise.resolve(), 60_000, log);',
    );
    expect([status, log]).toEqual([0, '']);
  });

  it.each(['throw', 'Promise.reject'])('comes with 1 and the code in the log by an uncaught error (%s)', (how) => {
    const error = "Object.assign(new Error('surprise'))";
    const { status, log } = run(
      `logUncaught(log); setTimeout(() => { ${how === 'throw' ? `throw ${error}` : `void Promise.reject(${error})`} }, 1); setInterval(() => undefined, 1000);`,
    );
    expect(status).toBe(1);
    expect(log).toContain('"code":"internal"');
    expect(log).toContain('surprise');
  });
});
