import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Presence, SILENT_AFTER_MS, type Return, type Silence, type Surroundings } from './presence.js';

const EPOCH = Date.UTC(2026, 5, 1);
const STEP_MS = 10_000;
const TICK_MS = 2_000;
/** What is promised: two scrape intervals and 30 s after the last reading. */
const PROMISED_MS = 2 * STEP_MS + 30_000;

/** A fleet that reports by a clock of its own; what does not report is left out. */
class World {
  readonly presence = new Presence(120_000);
  readonly said: (Silence & { atMs: number })[] = [];
  readonly returns: Return[] = [];
  nowMs = 1_000_000;
  clockErrorMs = new Map<string, number>();
  around: Surroundings = { currentSince: () => -Infinity, isExpected: () => false };

  constructor(
    readonly hosts: number,
    readonly perHost: number,
    readonly topics = 1,
  ) {}

  names(): { uuid: string; host: string; topic: string }[] {
    const all = [];
    for (let host = 0; host < this.hosts; host++)
      for (let gpu = 0; gpu < this.perHost; gpu++)
        all.push({ uuid: `GPU-${host}-${gpu}`, host: `h${host}`, topic: `t${host % this.topics}` });
    return all;
  }

  /** Lets time pass; each GPU that reports does so each step, at a moment of its own. */
  pass(ms: number, reports: (gpu: { uuid: string; host: string; topic: string }) => boolean = () => true): this {
    const gpus = this.names();
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += 500) {
      gpus.forEach((gpu, index) => {
        if ((this.nowMs + index * 500) % STEP_MS === 0 && reports(gpu)) this.hear(gpu);
      });
      if (this.nowMs % TICK_MS === 0) this.tick();
    }
    return this;
  }

  hear({ uuid, host, topic }: { uuid: string; host: string; topic: string }): void {
    const eventMs = EPOCH + this.nowMs + (this.clockErrorMs.get(host) ?? 0);
    this.presence.heard(uuid, host, topic, 0, eventMs, this.nowMs);
  }

  tick(): void {
    for (const silence of this.presence.judge(this.nowMs, this.around))
      this.said.push({ ...silence, atMs: this.nowMs });
    this.returns.push(...this.presence.takeReturned());
  }

  told(): string[] {
    return this.said.map(({ alert, subject }) => `${alert} ${subject}`);
  }
}

describe('silence', () => {
  it('of one GPU is told in time and once, and ends when it is back', () => {
    const world = new World(3, 4).pass(120_000);
    const lost = world.nowMs;
    world.pass(600_000, ({ uuid }) => uuid !== 'GPU-1-2');
    expect(world.told()).toEqual(['detached GPU-1-2']);
    const [silence] = world.said;
    expect(silence.atMs - lost).toBeLessThanOrEqual(PROMISED_MS);
    expect(silence.gpus).toEqual([{ gpuUuid: 'GPU-1-2', newestMs: silence.asOfMs - SILENT_AFTER_MS }]);
    expect(world.returns).toEqual([]);
    world.pass(60_000);
    expect(world.returns).toMatchObject([{ alert: 'detached', subject: 'GPU-1-2' }]);
    expect(world.said).toHaveLength(1);
  });

  it('of a host is one alert, not one a GPU, and its GPUs have time to come back one by one', () => {
    const world = new World(3, 4).pass(120_000);
    const lost = world.nowMs;
    world.pass(300_000, ({ host }) => host !== 'h0');
    expect(world.told()).toEqual(['host_silent h0']);
    expect(world.said[0].atMs - lost).toBeLessThanOrEqual(PROMISED_MS);
    expect(world.said[0].gpus.map(({ gpuUuid }) => gpuUuid)).toHaveLength(4);
    world.pass(300_000, ({ uuid }) => uuid !== 'GPU-0-3');
    expect(world.returns.map(({ alert, subject }) => `${alert} ${subject}`)).toEqual(['host_silent h0']);
    expect(world.told()).toEqual(['host_silent h0', 'detached GPU-0-3']);
  });

  it('of a source says nothing about its GPUs, also when it comes back', () => {
    const world = new World(4, 4, 2).pass(120_000);
    const lost = world.nowMs;
    world.pass(900_000, ({ topic }) => topic !== 't1');
    expect(world.told()).toEqual(['pipeline_silent t1']);
    expect(world.said[0].atMs - lost).toBeLessThanOrEqual(PROMISED_MS);
    world.pass(300_000);
    expect(world.told()).toEqual(['pipeline_silent t1']);
    expect(world.returns.map(({ alert }) => alert)).toEqual(['pipeline_silent']);
  });

  it('is not seen in a short stall of everything', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 5 }), (seconds, hosts) => {
        const world = new World(hosts, 4).pass(120_000);
        world.pass(seconds * 1000, () => false).pass(120_000);
        expect(world.said.filter(({ alert }) => alert !== 'pipeline_silent')).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it('is not judged while ingest or this reader is behind, and counts anew after it', () => {
    const world = new World(3, 4).pass(120_000);
    let currentSince = Infinity;
    world.around = { ...world.around, currentSince: () => currentSince };
    world.pass(300_000, ({ host }) => host !== 'h0');
    expect(world.said).toEqual([]);
    currentSince = world.nowMs;
    world.pass(30_000, ({ host }) => host !== 'h0');
    expect(world.said).toEqual([]);
    world.pass(30_000, ({ host }) => host !== 'h0');
    expect(world.told()).toEqual(['host_silent h0']);
  });

  it('is not made by wrong clocks, of hosts or of readings that come late', () => {
    const world = new World(3, 4);
    world.clockErrorMs.set('h0', 240_000).set('h1', -3_600_000);
    world.pass(120_000);
    world.clockErrorMs.set('h2', -7_200_000).set('h0', 0);
    world.pass(300_000);
    expect(world.said).toEqual([]);
  });

  it('is expected in maintenance, and told when that is over', () => {
    const world = new World(2, 4).pass(120_000);
    let isExpected = true;
    world.around = { ...world.around, isExpected: (_, host) => isExpected && host === 'h0' };
    world.pass(300_000, ({ host }) => host !== 'h0');
    expect(world.said).toEqual([]);
    isExpected = false;
    world.pass(60_000, ({ host }) => host !== 'h0');
    expect(world.told()).toEqual(['host_silent h0']);
  });

  it('is not told again after a restart that knows of it, and is told of who never came after it', () => {
    const world = new World(2, 4);
    for (const { uuid, host } of world.names()) world.presence.known(uuid, host, EPOCH, world.nowMs);
    world.presence.restore('detached', 'GPU-0-0', EPOCH, world.nowMs, EPOCH);
    const reports = ({ uuid }: { uuid: string }): boolean => uuid !== 'GPU-0-0' && uuid !== 'GPU-1-1';
    world.pass(250_000, reports);
    expect(world.told()).toEqual([]);
    // Its scrape interval is not known: it has as long as the longest that is allowed.
    world.pass(60_000, reports);
    expect(world.told()).toEqual(['detached GPU-1-1']);
    world.pass(60_000);
    expect(world.returns.map(({ subject }) => subject).sort()).toEqual(['GPU-0-0', 'GPU-1-1']);
  });

  it('of a source that fell silent while nobody watched is told as its own, not as that of its GPUs', () => {
    const world = new World(4, 2, 2);
    for (const { uuid, host } of world.names()) world.presence.known(uuid, host, EPOCH, world.nowMs);
    for (const topic of ['t0', 't1']) world.presence.expect(topic, EPOCH, world.nowMs);
    const reports = ({ topic }: { topic: string }): boolean => topic !== 't1';
    world.pass(250_000, reports);
    expect(world.told()).toEqual([]);
    world.pass(600_000, reports);
    expect(world.told()).toEqual(['pipeline_silent t1']);
    world.pass(60_000);
    expect(world.returns).toMatchObject([{ alert: 'pipeline_silent', subject: 't1' }]);

    const other = new World(1, 1);
    other.presence.expect('t9', EPOCH, other.nowMs);
    other.around = { ...other.around, isExpected: (_, __, topic) => topic === 't9' };
    other.pass(600_000);
    expect(other.said).toEqual([]);
  });

  it('of a whole host that vanished while nobody watched is told once it had the longest time', () => {
    const world = new World(2, 3);
    for (const { uuid, host } of world.names()) world.presence.known(uuid, host, EPOCH, world.nowMs);
    const started = world.nowMs;
    world.pass(400_000, ({ host }) => host !== 'h1');
    expect(world.told()).toEqual(['host_silent h1']);
    // Twice the longest scrape interval that is allowed, and 20 s; found at the next look after a report of others.
    expect(world.said[0].atMs - started).toBeGreaterThan(260_000);
    expect(world.said[0].atMs - started).toBeLessThanOrEqual(260_000 + STEP_MS + TICK_MS);
  });

  it('of a host that is remembered as silent ends with its first GPU', () => {
    const world = new World(2, 2);
    for (const { uuid, host } of world.names()) world.presence.known(uuid, host, EPOCH, world.nowMs);
    world.presence.restore('host_silent', 'h1', EPOCH, world.nowMs, EPOCH);
    world.pass(400_000, ({ host }) => host === 'h0');
    expect(world.said).toEqual([]);
    world.pass(30_000);
    expect(world.returns).toMatchObject([{ alert: 'host_silent', subject: 'h1' }]);
  });

  it('of a GPU without a host is told as what it is', () => {
    const presence = new Presence(120_000);
    const around: Surroundings = { currentSince: () => -Infinity, isExpected: () => false };
    for (let nowMs = 0; nowMs <= 120_000; nowMs += STEP_MS)
      for (const uuid of nowMs > 60_000 ? ['a'] : ['a', 'b']) presence.heard(uuid, null, 't', 0, EPOCH + nowMs, nowMs);
    expect(presence.judge(120_000, around)).toMatchObject([{ alert: 'gpu_silent', subject: 'b' }]);
    expect(presence.silent).toBe(1);
    expect(presence.forgetSilentBefore(60_000)).toEqual([]);
    expect(presence.forgetSilentBefore(60_001)).toMatchObject([{ gpuUuid: 'b' }]);
    expect(presence.takeReturned()).toMatchObject([{ alert: 'gpu_silent', subject: 'b' }]);
    expect([presence.knows('a'), presence.knows('b')]).toEqual([true, false]);
    expect(presence.size).toBe(1);
  });
});
