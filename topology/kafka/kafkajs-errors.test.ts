import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { isBrokerAway, isRebalancing, mayPass } from './kafkajs-errors.js';

type ErrorClass = new (error: unknown, options?: object) => Error;
const errors = createRequire(import.meta.url)('kafkajs/src/errors') as Record<string, ErrorClass>;
const wrapped = (error: Error): Error => new errors.KafkaJSNonRetriableError(error, { cause: error });
const notFound = new errors.KafkaJSGroupCoordinatorNotFound('Failed to find group coordinator');
const refused = (type: string, retriable: boolean): Error =>
  new errors.KafkaJSProtocolError({ message: 'no', type, code: 1, retriable });

it.each([
  ['as it is', notFound],
  ['taken as not worth another try', wrapped(notFound)],
  ['twice so', wrapped(wrapped(notFound))],
  ['no broker at all', new errors.KafkaJSNoBrokerAvailableError('none')],
])('sees a broker that is away: %s', (_, error) => {
  expect(isBrokerAway(error)).toBe(true);
  expect(mayPass(error)).toBe(true);
});

it.each([
  ['a coordinator that is loading', refused('GROUP_LOAD_IN_PROGRESS', true)],
  [
    'a connection that was closed too often',
    new errors.KafkaJSNumberOfRetriesExceeded(new errors.KafkaJSConnectionError('closed'), {}),
  ],
])('lets pass %s, and what wraps it', (_, error) => {
  expect([mayPass(error), mayPass(wrapped(error)), isBrokerAway(error)]).toEqual([true, true, false]);
});

it.each([
  ['another codec', new errors.KafkaJSNotImplemented('zstd')],
  ['a refused group', wrapped(refused('GROUP_AUTHORIZATION_FAILED', false))],
  ['no error of its own', wrapped(new Error('denied'))],
  ['no error', undefined],
])('lets not pass %s', (_, error) => {
  expect(mayPass(error)).toBe(false);
});

it('sees a group that is being rearranged, whatever wraps it', () => {
  const error = refused('REBALANCE_IN_PROGRESS', false);
  expect([isRebalancing(error), isRebalancing(wrapped(error)), isRebalancing(notFound)]).toEqual([true, true, false]);
});
