import { DAY_MS } from '../../schema/clock.js';

/**
 * Who reports and who fell silent. Silence is judged by how long nothing has arrived, on a clock that only goes forward
 * (monotonic ms, passed in): wrong clocks of hosts and jumps of the wall clock do not matter. A GPU is silent against
 * the last arrival of its source: while a source as a whole is quiet, that says nothing about its GPUs.
 */

/** Beyond two scrape intervals, so much more is waited before a GPU is called silent; 10 s short of what is promised. */
const SLACK_MS = 20_000;
/** How long nothing must have come of a GPU until it is missed. */
export function missingAfterMs(stepMs: number): number {
  return 2 * stepMs + SLACK_MS;
}

/** as_of of a silence: so long after the newest reading, whatever the scrape interval was thought to be. */
export const SILENT_AFTER_MS = 30_000;
/** A GPU that has been silent for so long is no longer missed. */
export const FORGOTTEN_AFTER_MS = 7 * DAY_MS;
export const FORGOTTEN_DETAIL = 'not heard of for seven days';
/** A source that pauses for longer than this share of an interval, and 2 s, has stalled: silence counts anew after it. */
const STALL_SHARE = 1.1;
const STALL_SLACK_MS = 2_000;
/** Weight of the newest step in the estimate of a GPU's scrape interval. */
const STEP_WEIGHT = 0.25;
/** Longer steps are gaps, not scrape intervals. */
const LONGEST_STEP_MS = 600_000;

export type SilenceKind = 'detached' | 'host_silent' | 'gpu_silent' | 'pipeline_silent';

export interface Silence {
  readonly alert: SilenceKind;
  /** GPU, host or topic. */
  readonly subject: string;
  readonly gpuUuid: string | null;
  /** Event time, epoch ms: that of the newest reading and {@link SILENT_AFTER_MS}. */
  readonly asOfMs: number;
  readonly detail: string;
  /** GPUs that it says are silent; none of a source. */
  readonly gpus: readonly { readonly gpuUuid: string; readonly newestMs: number }[];
}

/** A GPU that is no longer missed. */
export interface Forgotten {
  readonly gpuUuid: string;
  /** Event time: {@link FORGOTTEN_AFTER_MS} after its newest reading, epoch ms. */
  readonly asOfMs: number;
}

/** A silence is over: somebody is back, or is no longer missed. */
export interface Return {
  readonly alert: SilenceKind;
  readonly subject: string;
  readonly gpuUuid: string | null;
  /** Event time of the reading that ended it, or from which nobody is missed any more, epoch ms. */
  readonly asOfMs: number;
  readonly detail: string;
}

const BACK_DETAIL = 'reports again';

export interface Surroundings {
  /** Since when (monotonic ms) what was sent to a raw partition is known to have arrived here; Infinity: it is not. */
  readonly currentSince: (topic: string, partition: number) => number;
  /** Whether an absence is expected: maintenance. */
  readonly isExpected: (gpuUuid: string, host: string | null, topic: string) => boolean;
}

interface Gpu {
  readonly uuid: string;
  host: string | null;
  topic: string;
  partition: number;
  /** Event time of the newest reading, epoch ms. */
  newestMs: number;
  /** Monotonic ms of the last arrival, or from which silence counts. */
  heardMs: number;
  /** Estimated scrape interval. */
  stepMs: number;
  silence: SilenceKind | null;
}

interface Source {
  heardMs: number;
  newestMs: number;
  /** After a stall: silence counts from here. */
  resumedMs: number;
  stepMs: number;
  isSilent: boolean;
}

export class Presence {
  private readonly gpus = new Map<string, Gpu>();
  private readonly hosts = new Map<string, Set<Gpu>>();
  private readonly sources = new Map<string, Source>();
  /** Hosts that are silent as a whole. */
  private readonly silentHosts = new Set<string>();
  private returned: Return[] = [];

  /** @param unknownStepMs scrape interval of a GPU of which it is not known yet: the longest that is allowed */
  constructor(private readonly unknownStepMs: number) {}

  get size(): number {
    return this.gpus.size;
  }

  /** GPUs that are silent now. */
  get silent(): number {
    let count = 0;
    for (const { silence } of this.gpus.values()) if (silence !== null) count++;
    return count;
  }

  /** A sample arrived. Late ones too: whoever sends old readings is there. */
  heard(uuid: string, host: string | null, topic: string, partition: number, eventMs: number, nowMs: number): void {
    const source = this.arrived(topic, eventMs, nowMs);
    let gpu = this.gpus.get(uuid);
    if (gpu === undefined) {
      gpu = { uuid, host, topic, partition, newestMs: eventMs, heardMs: nowMs, stepMs: NaN, silence: null };
      this.gpus.set(uuid, gpu);
      this.join(gpu, host);
    } else {
      const stepMs = eventMs - gpu.newestMs;
      if (stepMs > 0 && stepMs <= LONGEST_STEP_MS && gpu.silence === null)
        gpu.stepMs = Number.isNaN(gpu.stepMs) ? stepMs : gpu.stepMs + STEP_WEIGHT * (stepMs - gpu.stepMs);
      if (host !== null && host !== gpu.host) {
        this.leave(gpu, eventMs);
        this.join(gpu, host);
      }
      gpu.topic = topic;
      gpu.partition = partition;
      gpu.newestMs = Math.max(gpu.newestMs, eventMs);
      gpu.heardMs = nowMs;
    }
    if (!Number.isNaN(gpu.stepMs)) source.stepMs = gpu.stepMs;
    if (gpu.silence !== null) this.end(gpu, eventMs, BACK_DETAIL);
    if (gpu.host !== null && this.silentHosts.delete(gpu.host)) this.welcomeHost(gpu.host, eventMs, nowMs);
  }

  /** A GPU that is known of, although it was not heard yet: of the roster that a restart finds. */
  known(uuid: string, host: string | null, newestMs: number, nowMs: number): void {
    const gpu = this.gpus.get(uuid);
    if (gpu !== undefined) return;
    const made: Gpu = { uuid, host, topic: '', partition: -1, newestMs, heardMs: nowMs, stepMs: NaN, silence: null };
    this.gpus.set(uuid, made);
    this.join(made, host);
  }

  /** A source that there is, although nothing came from it yet. @param newestMs event time of its newest reading, as far as known */
  expect(topic: string, newestMs: number, nowMs: number): void {
    if (!this.sources.has(topic)) this.sourceOf(topic, nowMs).newestMs = newestMs;
  }

  /**
   * Takes over what was said before: this is silent, and was told. That is word of a GPU that nothing else tells of, too;
   * a host of which no GPU is known is nobody's.
   * @param newestMs event time of the newest reading, as it was told
   * @param wallMs the moment of nowMs, epoch ms: for how long somebody was silent before it counts
   */
  restore(alert: SilenceKind, subject: string, newestMs: number, nowMs: number, wallMs: number): void {
    const silence = (gpu: Gpu): void => {
      gpu.silence = alert;
      gpu.heardMs = nowMs - Math.max(0, wallMs - gpu.newestMs);
    };
    if (alert === 'pipeline_silent') this.sourceOf(subject, 0).isSilent = true;
    else if (alert === 'host_silent') {
      const gpus = this.hosts.get(subject);
      if (gpus === undefined) this.endHost(subject, Math.min(newestMs + FORGOTTEN_AFTER_MS, wallMs));
      else this.silentHosts.add(subject);
      for (const gpu of gpus ?? []) if (gpu.silence === null) silence(gpu);
    } else {
      this.known(subject, null, newestMs, nowMs);
      silence(this.gpus.get(subject)!);
    }
  }

  knows(uuid: string): boolean {
    return this.gpus.has(uuid);
  }

  /** Forgets GPUs that have been silent for long: since before a monotonic time. Their silences are over with that. */
  forgetSilentBefore(sinceMs: number): Forgotten[] {
    const forgotten: Forgotten[] = [];
    for (const gpu of this.gpus.values()) {
      if (gpu.silence === null || gpu.heardMs >= sinceMs) continue;
      const asOfMs = gpu.newestMs + FORGOTTEN_AFTER_MS;
      this.gpus.delete(gpu.uuid);
      this.end(gpu, asOfMs, FORGOTTEN_DETAIL);
      this.leave(gpu, asOfMs);
      forgotten.push({ gpuUuid: gpu.uuid, asOfMs });
    }
    return forgotten;
  }

  /** Silences that ended since this was last asked. */
  takeReturned(): Return[] {
    const { returned } = this;
    this.returned = [];
    return returned;
  }

  /** Looks for those who have just fallen silent; each silence is told once. */
  judge(nowMs: number, around: Surroundings): Silence[] {
    const found: Silence[] = [];
    for (const [topic, source] of this.sources) this.judgeSource(topic, source, nowMs, around, found);
    const missing = new Set<Gpu>();
    for (const gpu of this.gpus.values())
      if (gpu.silence === null && this.isMissing(gpu, nowMs, around)) missing.add(gpu);
    for (const gpu of missing) {
      if (gpu.silence !== null) continue;
      if (gpu.host === null) found.push(this.silenceOf(gpu, 'gpu_silent'));
      else this.judgeHost(gpu, gpu.host, missing, found);
    }
    return found;
  }

  private judgeSource(topic: string, source: Source, nowMs: number, around: Surroundings, found: Silence[]): void {
    const stepMs = Number.isNaN(source.stepMs) ? this.unknownStepMs : source.stepMs;
    const partitions = new Set<number>();
    let isExpected = true;
    let sinceMs = source.heardMs;
    for (const gpu of this.gpus.values())
      if (gpu.topic === topic) {
        partitions.add(gpu.partition);
        isExpected &&= around.isExpected(gpu.uuid, gpu.host, topic);
      }
    // Nothing came from it since the start: whose it is nobody knows.
    if (partitions.size === 0) {
      isExpected = around.isExpected('', null, topic);
      partitions.add(-1);
    }
    for (const partition of partitions) sinceMs = Math.max(sinceMs, around.currentSince(topic, partition));
    if (source.isSilent || isExpected || !(nowMs - sinceMs > missingAfterMs(stepMs))) return;
    source.isSilent = true;
    found.push({
      alert: 'pipeline_silent',
      subject: topic,
      gpuUuid: null,
      asOfMs: source.newestMs + SILENT_AFTER_MS,
      detail: `nothing arrives from ${topic}: this says nothing about its GPUs`,
      gpus: [],
    });
  }

  /** Whether nothing came of a GPU for too long, while its source went on. */
  private isMissing(gpu: Gpu, nowMs: number, around: Surroundings): boolean {
    if (around.isExpected(gpu.uuid, gpu.host, gpu.topic)) {
      gpu.heardMs = nowMs;
      return false;
    }
    let [sinceMs, lastMs] = [gpu.heardMs, -Infinity];
    const source = this.sources.get(gpu.topic);
    if (source !== undefined) {
      sinceMs = Math.max(sinceMs, source.resumedMs, around.currentSince(gpu.topic, gpu.partition));
      lastMs = source.heardMs;
    }
    // Not heard since the start: of which source it is nobody knows, so all have to go on.
    else
      for (const [topic, each] of this.sources) {
        sinceMs = Math.max(sinceMs, each.resumedMs, around.currentSince(topic, -1));
        lastMs = lastMs === -Infinity ? each.heardMs : Math.min(lastMs, each.heardMs);
      }
    const stepMs = Number.isNaN(gpu.stepMs) ? this.unknownStepMs : gpu.stepMs;
    return lastMs - sinceMs > missingAfterMs(stepMs);
  }

  private judgeHost(gpu: Gpu, host: string, missing: ReadonlySet<Gpu>, found: Silence[]): void {
    const others = [...(this.hosts.get(host) ?? [])];
    const present = others.filter((other) => other.silence === null && !missing.has(other));
    if (present.length > 0) {
      // Those beside it may be about to fall silent too: one of them has to have reported since it should have.
      const dueMs = gpu.heardMs + (Number.isNaN(gpu.stepMs) ? this.unknownStepMs : gpu.stepMs) + STALL_SLACK_MS;
      if (present.some(({ heardMs }) => heardMs > dueMs)) found.push(this.silenceOf(gpu, 'detached'));
      return;
    }
    const fallen = others.filter((other) => missing.has(other) && other.silence === null);
    for (const other of fallen) other.silence = 'host_silent';
    this.silentHosts.add(host);
    found.push({
      alert: 'host_silent',
      subject: host,
      gpuUuid: null,
      asOfMs: Math.max(...fallen.map(({ newestMs }) => newestMs)) + SILENT_AFTER_MS,
      detail: `no GPU of ${host} reports any more`,
      gpus: fallen.map(named),
    });
  }

  private silenceOf(gpu: Gpu, alert: 'detached' | 'gpu_silent'): Silence {
    gpu.silence = alert;
    return {
      alert,
      subject: gpu.uuid,
      gpuUuid: gpu.uuid,
      asOfMs: gpu.newestMs + SILENT_AFTER_MS,
      detail:
        alert === 'detached'
          ? `stopped reporting while other GPUs of ${gpu.host} report: fallen off the bus, or its exporter lost it`
          : 'stopped reporting; its host is not known',
      gpus: [named(gpu)],
    };
  }

  private end(gpu: Gpu, asOfMs: number, detail: string): void {
    const { silence, uuid } = gpu;
    gpu.silence = null;
    if (silence === 'detached' || silence === 'gpu_silent')
      this.returned.push({ alert: silence, subject: uuid, gpuUuid: uuid, asOfMs, detail });
  }

  /** The first GPU of a silent host is back: the others have as much time as if they had just been heard. */
  private welcomeHost(host: string, asOfMs: number, nowMs: number): void {
    this.returned.push({ alert: 'host_silent', subject: host, gpuUuid: null, asOfMs, detail: BACK_DETAIL });
    for (const gpu of this.hosts.get(host) ?? [])
      if (gpu.silence === 'host_silent') {
        gpu.silence = null;
        gpu.heardMs = nowMs;
      }
  }

  /** The last GPU of a silent host was forgotten, or reports from another one. */
  private endHost(host: string, asOfMs: number): void {
    const detail = 'no GPU is known of it any more';
    this.returned.push({ alert: 'host_silent', subject: host, gpuUuid: null, asOfMs, detail });
  }

  private arrived(topic: string, eventMs: number, nowMs: number): Source {
    const source = this.sourceOf(topic, nowMs);
    const stepMs = Number.isNaN(source.stepMs) ? this.unknownStepMs : source.stepMs;
    if (source.isSilent || nowMs - source.heardMs > STALL_SHARE * stepMs + STALL_SLACK_MS) source.resumedMs = nowMs;
    const back = { alert: 'pipeline_silent', subject: topic, gpuUuid: null, asOfMs: eventMs } as const;
    if (source.isSilent) this.returned.push({ ...back, detail: BACK_DETAIL });
    source.isSilent = false;
    source.heardMs = nowMs;
    source.newestMs = Math.max(source.newestMs, eventMs);
    return source;
  }

  private sourceOf(topic: string, nowMs: number): Source {
    let source = this.sources.get(topic);
    if (source === undefined) {
      source = { heardMs: nowMs, newestMs: -Infinity, resumedMs: nowMs, stepMs: NaN, isSilent: false };
      this.sources.set(topic, source);
    }
    return source;
  }

  private join(gpu: Gpu, host: string | null): void {
    gpu.host = host;
    if (host === null) return;
    const gpus = this.hosts.get(host);
    if (gpus === undefined) this.hosts.set(host, new Set([gpu]));
    else gpus.add(gpu);
  }

  /** Takes a GPU from its host. @param asOfMs event time of that, epoch ms */
  private leave(gpu: Gpu, asOfMs: number): void {
    const { host } = gpu;
    const gpus = host === null ? undefined : this.hosts.get(host);
    gpus?.delete(gpu);
    if (host === null || gpus?.size !== 0) return;
    this.hosts.delete(host);
    if (this.silentHosts.delete(host)) this.endHost(host, asOfMs);
  }
}

function named({ uuid, newestMs }: Gpu): Silence['gpus'][number] {
  return { gpuUuid: uuid, newestMs };
}
