import { concatMap, concatWith, defer, EMPTY, lastValueFrom, type Observable, of, repeat, takeWhile } from 'rxjs';

/**
 * A pulled stream: the next value is asked for only when everything below is done with the last one. RxJS itself
 * pushes and knows no back-pressure; this is the one place that turns a poll into an Observable.
 *
 * Put the stages that must finish before the next poll into `through`.
 *
 * @param stopping looked at before each poll; the stream completes once it says true
 */
export function pulled<T, R>(
  poll: () => Promise<T>,
  through: (polled: Observable<T>) => Observable<R>,
  stopping: () => boolean,
): Observable<R> {
  return defer(() => (stopping() ? EMPTY : through(defer(poll)))).pipe(
    // A repeat that subscribes anew in the same turn would starve timers and sockets of the event loop.
    repeat({ delay: () => nextTurn(stopping) }),
  );
}

/**
 * As {@link pulled}, but the end of the way of one value goes on while the next one is asked for and worked on: the
 * processor need not wait for acknowledgements. Never more than two values are in hand, and they finish in order.
 *
 * @param work stages that a value is through before the next is asked for
 * @param finish stages after those; begun for a value when the one before has finished
 */
export function pulledAhead<T, U>(
  poll: () => Promise<T>,
  work: (polled: Observable<T>) => Observable<U>,
  finish: (worked: Observable<U>) => Observable<void>,
  stopping: () => boolean,
): Observable<void> {
  return defer(() => {
    let finishing: Promise<void> = Promise.resolve();
    const handOver = async (value: U): Promise<void> => {
      await finishing;
      finishing = lastValueFrom(finish(of(value)), { defaultValue: undefined });
      // Whoever hands over the next value, or ends the stream, is told.
      finishing.catch(() => undefined);
    };
    return pulled(poll, (polled) => work(polled).pipe(concatMap(handOver)), stopping).pipe(
      concatWith(defer(() => finishing)),
    );
  });
}

function nextTurn(stopping: () => boolean): Observable<number> {
  return defer(() => new Promise<number>((resolve) => setImmediate(() => resolve(0)))).pipe(
    takeWhile(() => !stopping()),
  );
}
