import { expect, it } from 'vitest';
import { describeWith } from '../support/requirements.js';
import { runChaos } from './run.js';

/** The short version of `npm run test:chaos`, which is for longer runs. */
await describeWith('kraft', 'ingest, score and load, disturbed in every way', () => {
  it.skipIf(process.platform !== 'linux')(
    'say and store what they would have said and stored in peace',
    async () => {
      const log: string[] = [];
      const { verdict } = await runChaos({ seed: 883, events: 10, sets: [], say: (words) => void log.push(words) });
      expect(verdict, log.join('\n')).toMatchObject({ lost: 0, duplicated: 0, differing: 0, examples: [] });
      expect(verdict.records).toBeGreaterThan(1_000);
    },
    420_000,
  );
});
