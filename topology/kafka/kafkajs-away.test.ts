import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { isBrokerAway } from './kafkajs-away.js';

type ErrorClass = new (error: string | Error, options: object) => Error;
const errors = createRequire(import.meta.url)('kafkajs/src/errors') as Record<string, ErrorClass>;
const notFound = new errors.KafkaJSGroupCoordinatorNotFound('Failed to find group coordinator', {});

it.each([
  ['as it is', notFound],
  ['taken as not worth another try', new errors.KafkaJSNonRetriableError(notFound, { cause: notFound })],
  [
    'after the last try, taken as not worth another one',
    new errors.KafkaJSNonRetriableError('gave up', {
      cause: new errors.KafkaJSNumberOfRetriesExceeded(notFound, { retryCount: 5, retryTime: 1 }),
    }),
  ],
  ['no broker at all', new errors.KafkaJSNoBrokerAvailableError('none', {})],
])('sees a broker that is away: %s', (_, error) => {
  expect(isBrokerAway(error)).toBe(true);
});

it.each([
  ['another codec', new errors.KafkaJSNotImplemented('zstd', {})],
  ['a refused group', new errors.KafkaJSNonRetriableError('not authorised', { cause: new Error('denied') })],
  ['no error', undefined],
])('sees none in %s', (_, error) => {
  expect(isBrokerAway(error)).toBe(false);
});
