import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../schema/clock.js';
import { fleetOf, NOW_MS, prediction, uuidOf } from '../test/fixtures/fleet-records.js';
import { serverOf } from '../test/fixtures/server.js';
import { LiveUpdates, type Ticker } from './live.js';

/** Seconds that pass when the test says so. */
class HandTicker implements Ticker {
  private callback: (() => void) | null = null;
  every(_intervalMs: number, callback: () => void): () => void {
    this.callback = callback;
    return () => {
      this.callback = null;
    };
  }
  get isRunning(): boolean {
    return this.callback !== null;
  }
  tick(times = 1): void {
    for (let index = 0; index < times; index++) this.callback?.();
  }
}

/** A response that keeps what is written, and has as much unread as the test says. */
class FakeResponse extends EventEmitter {
  readonly written: string[] = [];
  writableLength = 0;
  ended = false;
  writeHead(): void {
    // Headers are looked at over a real connection.
  }
  write(text: string): void {
    this.written.push(text);
  }
  end(): void {
    this.ended = true;
    this.emit('close');
  }
}

function liveOf(gpus: number) {
  const view = fleetOf(gpus, new ManualClock(NOW_MS));
  const ticker = new HandTicker();
  const counts: number[] = [];
  const live = new LiveUpdates(view, ticker, (count) => counts.push(count));
  const connect = (): FakeResponse => {
    const response = new FakeResponse();
    live.add(response as unknown as ServerResponse, {});
    response.written.length = 0;
    return response;
  };
  const change = (index: number, risk: number): void => {
    view.apply('predictions', prediction(uuidOf(index), { failure_prob_30d: risk }, NOW_MS));
  };
  return { live, ticker, counts, connect, change, view };
}

describe('live updates', () => {
  it('tell each GPU that changed within a second once, as it stands then', () => {
    const { ticker, connect, change } = liveOf(5);
    const client = connect();
    change(1, 0.2);
    change(1, 0.3);
    change(2, 0.4);
    expect(client.written).toEqual([]);
    ticker.tick();
    expect(client.written).toHaveLength(1);
    const [head, data] = client.written[0].split('\n');
    expect(head).toBe('event: gpus');
    const event = JSON.parse(data.slice('data: '.length)) as {
      items: { gpu_uuid: string; failure_prob_30d: number }[];
      totals: { gpus: number };
    };
    expect(event.items.map(({ gpu_uuid, failure_prob_30d }) => [gpu_uuid, failure_prob_30d])).toEqual([
      [uuidOf(1), 0.3],
      [uuidOf(2), 0.4],
    ]);
    expect(event.totals.gpus).toBe(5);
    ticker.tick();
    expect(client.written).toHaveLength(1);
  });

  it('keep a silent connection alive', () => {
    const { ticker, connect } = liveOf(1);
    const client = connect();
    ticker.tick(14);
    expect(client.written).toEqual([]);
    ticker.tick();
    expect(client.written).toEqual([': nothing new\n\n']);
  });

  it('send a slow client no more than its buffer, then one refresh', () => {
    const { ticker, connect, change } = liveOf(3);
    const slow = connect();
    const quick = connect();
    slow.writableLength = 2 * 1024 * 1024;
    for (let second = 1; second <= 5; second++) {
      change(0, second / 10);
      ticker.tick();
    }
    expect(slow.written).toEqual([]);
    expect(quick.written).toHaveLength(5);
    slow.writableLength = 0;
    ticker.tick();
    expect(slow.written).toEqual(['event: refresh\ndata: {}\n\n']);
    expect(quick.written).toHaveLength(5);
  });

  it('say refresh instead of thousands of rows, and when a GPU is known no more', () => {
    const { ticker, connect, view } = liveOf(0);
    const client = connect();
    for (let index = 0; index <= 2_000; index++) view.apply('assets', { gpu_uuid: `GPU-${index}` });
    ticker.tick();
    view.forget('assets', 'GPU-1');
    ticker.tick();
    expect(client.written).toEqual(['event: refresh\ndata: {}\n\n', 'event: refresh\ndata: {}\n\n']);
  });

  it('cost nothing while nobody listens', () => {
    const { ticker, connect, counts, live } = liveOf(1);
    expect(ticker.isRunning).toBe(false);
    const client = connect();
    const other = connect();
    expect(ticker.isRunning).toBe(true);
    client.emit('close');
    client.emit('close');
    other.emit('error', new Error('broken pipe'));
    expect(ticker.isRunning).toBe(false);
    expect(counts).toEqual([1, 2, 1, 0]);
    expect(live.clientCount).toBe(0);
  });
});

describe('GET /events', () => {
  it('streams over HTTP, and ends when the server closes', async () => {
    const ticker = new HandTicker();
    const { app, view } = serverOf(2, { ticker });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const response = await fetch(`${url}/events`);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('retry: 2000\n\n');
    view.apply('predictions', prediction(uuidOf(0), { failure_prob_30d: 0.66 }, NOW_MS));
    ticker.tick();
    expect((await reader.read()).value).toContain('"failure_prob_30d":0.66');
    await app.close();
    expect((await reader.read()).done).toBe(true);
  });
});
