import fc from 'fast-check';

/**
 * A number from 0 to 1. fc.double draws among all doubles, of which nearly all between 0 and 1 are too small to be a
 * share of anything, so that whatever is taken by it would be taken at its beginning.
 */
export const share: fc.Arbitrary<number> = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: 10_000 }).map((parts) => parts / 10_000) },
  { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
);
