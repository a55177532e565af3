import { defer, EMPTY, type Observable, repeat, takeWhile } from 'rxjs';

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

function nextTurn(stopping: () => boolean): Observable<number> {
  return defer(() => new Promise<number>((resolve) => setImmediate(() => resolve(0)))).pipe(
    takeWhile(() => !stopping()),
  );
}
