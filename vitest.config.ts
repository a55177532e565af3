import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// node-rdkafka cannot live in a worker thread, so every test file gets a process of its own.
const common = { pool: 'forks' as const, passWithNoTests: false };
const exclude = ['**/node_modules/**', 'dist/**', '**/.venv/**'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [...exclude, '**/*.it.test.ts'],
          // Unit tests keep nothing global: sharing a process between files halves the time of the inner loop.
          isolate: false,
          // All cores: vitest leaves one to itself unless told otherwise, half of them where there are two.
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
          // Against hanging only: property tests take seconds on a busy machine.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          ...common,
          name: 'it',
          include: ['**/*.it.test.ts'],
          exclude,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          // Each file has brokers, databases and browsers of its own and mostly waits for them: two at a time take half
          // as long as one, and leave each enough of two cores for its deadlines.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
