/**
 * How many cases a property test draws: all of them with `npm test`, an eighth with `npm run test:unit`, which is run
 * again and again while code is written. The seed is another each time and printed with what fails, so that the inner
 * loop sees other cases every time.
 */
export const propertyRuns = (all: number): number =>
  process.env.npm_lifecycle_event === 'test:unit' ? Math.ceil(all / 8) : all;
