// Talking to the server: requests, the whole fleet, live events.

/** An answer that is an error, with the code of its body. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @throws {ApiError} for any answer but 2xx; code `unreachable` where there was none */
export async function get(path, signal) {
  let response;
  try {
    response = await fetch(path, { signal, headers: { accept: 'application/json' } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'The server does not answer.');
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  throw new ApiError(response.status, body?.code ?? 'internal', body?.message ?? `HTTP ${response.status}`);
}

/** Like get, but what the server does not have (yet) is a value: `{missing: code, message}`. */
export async function getOrMissing(path, signal) {
  try {
    return await get(path, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return { missing: error.code, message: error.message };
    throw error;
  }
}

/** More than this is not shown in one table; the riskiest come first, and the totals tell of all. */
export const MAX_GPUS = 20_000;
const PAGE = 1000;

/**
 * Keeps the fleet: read page by page, then kept current by live events. `onChange({reloaded, uuids})` after each
 * change, `onConnection(state)` with `connecting`, `live` or `lost`.
 */
export class Fleet {
  gpus = new Map();
  totals = null;
  truncated = false;
  loaded = false;
  error = null;

  constructor(onChange, onConnection) {
    this.onChange = onChange;
    this.onConnection = onConnection;
  }

  start() {
    const events = new EventSource('/events');
    events.addEventListener('open', () => {
      this.onConnection('live');
      // Whatever happened while nobody listened is read now.
      void this.reload();
    });
    events.addEventListener('error', () => {
      this.onConnection('lost');
      if (!this.loaded && this.error === null) this.fail(new ApiError(0, 'unreachable', 'The server does not answer.'));
    });
    events.addEventListener('refresh', () => void this.reload());
    events.addEventListener('gpus', ({ data }) => {
      const { items, totals } = JSON.parse(data);
      // While pages come in, an event may be newer than the page it belongs to: it waits for the last one.
      if (this.waiting) this.waiting.push(...items);
      this.totals = totals;
      this.take(items);
    });
  }

  async reload() {
    if (this.waiting) {
      this.again = true;
      return;
    }
    this.waiting = [];
    try {
      const gpus = new Map();
      let next = null;
      do {
        const cursor = next === null ? '' : `&cursor=${encodeURIComponent(next)}`;
        const page = await get(`/gpus?sort=risk&order=desc&limit=${PAGE}${cursor}`);
        for (const item of page.items) gpus.set(item.gpu_uuid, item);
        next = page.next;
      } while (next !== null && gpus.size < MAX_GPUS);
      this.totals = await get('/fleet');
      this.truncated = next !== null;
      for (const item of this.waiting) gpus.set(item.gpu_uuid, item);
      this.gpus = gpus;
      this.loaded = true;
      this.error = null;
      this.onChange({ reloaded: true, uuids: new Set() });
    } catch (error) {
      this.fail(error);
    } finally {
      this.waiting = null;
      if (this.again) {
        this.again = false;
        void this.reload();
      }
    }
  }

  fail(error) {
    this.error = error;
    this.onChange({ reloaded: true, uuids: new Set() });
  }

  take(items) {
    const uuids = new Set();
    for (const item of items) {
      if (this.truncated && !this.gpus.has(item.gpu_uuid)) continue;
      this.gpus.set(item.gpu_uuid, item);
      uuids.add(item.gpu_uuid);
    }
    this.onChange({ reloaded: false, uuids });
  }
}
