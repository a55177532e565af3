import type { ServerResponse } from 'node:http';
import { totalsJson } from './fleet-totals.js';
import type { FleetView } from './fleet-view.js';
import { summaryOf } from './gpu-state.js';

/** Calls back again and again; a parameter so that tests turn it by hand. */
export interface Ticker {
  /** @returns a function that ends it */
  every(intervalMs: number, callback: () => void): () => void;
}

export const systemTicker: Ticker = {
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    // Live updates alone keep no process alive.
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Changes are told once a second, each GPU once: what a person can follow. */
export const LIVE_INTERVAL_MS = 1_000;
/** A comment in the stream when nothing happened, before proxies give up on a silent connection. */
const HEARTBEAT_TICKS = 15;
/** More GPUs than this in a second (the first read of the topics, say) are told as one `refresh`. */
const MAX_GPUS_AN_EVENT = 2_000;
/** A client that has this much unread is told to `refresh` once it reads again, instead of being sent more. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** How soon a browser comes back after the connection broke. */
const RETRY_MS = 2_000;

interface Client {
  readonly response: ServerResponse;
  /** It missed events. */
  behind: boolean;
}

/**
 * The live stream: server-sent events `gpus` (`{items, totals}`: summaries of the GPUs that changed, and the fleet in
 * figures) and `refresh` (read the fleet anew). Memory is bounded: one set of changed GPUs, and for each client what
 * is on its way.
 */
export class LiveUpdates {
  private readonly clients = new Set<Client>();
  private readonly changed = new Set<string>();
  private unwatch: (() => void) | null = null;
  private stopTicker: (() => void) | null = null;
  private quietTicks = 0;

  constructor(
    private readonly view: FleetView,
    private readonly ticker: Ticker,
    private readonly onClients: (count: number) => void,
  ) {}

  get clientCount(): number {
    return this.clients.size;
  }

  /** Takes over a response and writes to it until it closes. */
  add(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Proxies like nginx would collect events before passing them on.
      'x-accel-buffering': 'no',
    });
    response.write(`retry: ${RETRY_MS}\n\n`);
    const client: Client = { response, behind: false };
    this.clients.add(client);
    response.on('close', () => this.remove(client));
    // A connection that breaks also closes; without a listener its error would end the process.
    response.on('error', () => this.remove(client));
    this.onClients(this.clients.size);
    this.unwatch ??= this.view.watch((gpuUuid) => this.changed.add(gpuUuid));
    this.stopTicker ??= this.ticker.every(LIVE_INTERVAL_MS, () => this.tick());
  }

  /** Ends all streams; the browsers come back to whoever listens then. */
  close(): void {
    for (const client of [...this.clients]) {
      this.remove(client);
      client.response.end();
    }
  }

  private remove(client: Client): void {
    if (!this.clients.delete(client)) return;
    this.onClients(this.clients.size);
    if (this.clients.size > 0) return;
    this.unwatch?.();
    this.stopTicker?.();
    this.unwatch = this.stopTicker = null;
    this.changed.clear();
  }

  private tick(): void {
    const event = this.nextEvent();
    if (event === null && ++this.quietTicks < HEARTBEAT_TICKS) {
      this.send(null);
      return;
    }
    this.quietTicks = 0;
    this.send(event ?? ': nothing new\n\n');
  }

  private send(event: string | null): void {
    for (const client of this.clients) {
      if (client.response.writableLength > MAX_UNREAD_BYTES) {
        client.behind ||= event !== null;
      } else if (client.behind) {
        client.behind = false;
        client.response.write(REFRESH);
      } else if (event !== null) client.response.write(event);
    }
  }

  private nextEvent(): string | null {
    if (this.changed.size === 0) return null;
    const items: unknown[] = [];
    let forgotten = false;
    if (this.changed.size <= MAX_GPUS_AN_EVENT)
      for (const gpuUuid of this.changed) {
        const state = this.view.get(gpuUuid);
        if (state === undefined) forgotten = true;
        else items.push(summaryOf(state));
      }
    const tooMany = this.changed.size > MAX_GPUS_AN_EVENT;
    this.changed.clear();
    if (tooMany || forgotten) return REFRESH;
    return `event: gpus\ndata: ${JSON.stringify({ items, totals: totalsJson(this.view.totals()) })}\n\n`;
  }
}

const REFRESH = 'event: refresh\ndata: {}\n\n';
