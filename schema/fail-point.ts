/**
 * Fail points: places in the recovery protocol at which a test has the process killed, as by kill -9. The environment
 * variable ACTUARY_FAIL_POINT names one, `<score|ingest>.<step>.<before|after>`, with how often it is to be passed
 * before, and the signal if it is another one: `score.commit.after`, `score.commit.after:20`,
 * `ingest.commit.before:20:SIGSTOP`. Off otherwise. It is no configuration: nobody sets it who wants the process to live.
 */

/** Steps of a transaction, in order; each can be stood before and after. */
export const TRANSACTION_STEPS = ['begin', 'produce', 'offsets', 'commit'] as const;
/** Those of score, which also writes its checkpoints down, now and then. */
export const SCORE_STEPS = ['begin', 'produce', 'checkpoint', 'offsets', 'commit'] as const;
export type TransactionStep = (typeof SCORE_STEPS)[number];

export type FailPoint = `${string}.${'before' | 'after'}`;

interface Armed {
  readonly point: string;
  passes: number;
  readonly signal: NodeJS.Signals;
}

const armed = parse(process.env.ACTUARY_FAIL_POINT);

/** Kills or stops the process at once if this is the point where a test wants it dead. */
export function failPoint(point: FailPoint): void {
  if (armed === null || armed.point !== point || armed.passes-- !== 0) return;
  process.kill(process.pid, armed.signal);
}

function parse(text: string | undefined): Armed | null {
  if (text === undefined || text === '') return null;
  const [point, passes = '0', signal = 'SIGKILL'] = text.split(':');
  return { point, passes: Number(passes), signal: signal as NodeJS.Signals };
}
