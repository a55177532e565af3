import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.js';
import { TestClient } from '../../test/support/client.js';
import { readToEnd } from '../../test/support/read-to-end.js';
import { benchUuid, randomOf } from '../fleet.js';
import { openCluster, type Cluster } from '../support/cluster.js';
import { KafkaAdmin } from '../support/kafka-admin.js';
import { buildPeers, type PeerPrograms } from './build.js';
import { runPeer, type PeerName } from './run.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const HOURS = 168;
const GPUS = 5;
const PARTITIONS = 4;
const PARTITION_NUMBERS = [0, 1, 2, 3];

/** Panes are kept in single precision, so a difference is as exact as what it is taken from: those features by index. */
const OPERAND: Readonly<Record<number, number>> = { 5: 1, 6: 1, 12: 7 };

interface Reading {
  readonly timestamp: number;
  readonly gpu_temp: number;
  readonly memory_temp: number;
  readonly power_usage: number;
  readonly sm_active: number;
  readonly sm_occupancy: number;
  readonly memory_utilization: number;
  readonly throttle_reasons: number;
  readonly ecc_sbe: number;
  readonly ecc_dbe: number;
}

/** A GPU's readings over more than two windows: bursts, an hourly stretch, a day of silence, late ones, counters that fall. */
function readingsOf(gpu: number): Reading[] {
  const random = randomOf(gpu + 1);
  const readings: Reading[] = [];
  let timestamp = Date.UTC(2026, 0, 1) + gpu * 1_234_567;
  let sbe = 0;
  let dbe = 0;
  const read = (gapMs: number, late = 0): void => {
    timestamp += gapMs;
    if (random() < 0.1) sbe += Math.floor(5 * random());
    if (random() < 0.02) dbe++;
    if (random() < 0.01) sbe = Math.floor(3 * random());
    const tenths = (most: number): number => Math.round(10 * most * random()) / 10;
    readings.push({
      timestamp: timestamp - late,
      gpu_temp: 35 + Math.round(40 * random()),
      memory_temp: 45 + Math.round(40 * random()),
      power_usage: 60 + tenths(600),
      sm_active: tenths(100),
      sm_occupancy: tenths(60),
      memory_utilization: tenths(100),
      throttle_reasons: random() < 0.2 ? Math.floor(256 * random()) : 0,
      ecc_sbe: sbe,
      ecc_dbe: dbe,
    });
  };
  for (let step = 0; step < 60; step++) read(10_000 + Math.floor(20_000 * random()));
  for (let step = 0; step < 260; step++) read(HOUR_MS - 10 * MINUTE_MS + Math.floor(20 * MINUTE_MS * random()));
  read(1_000, 5 * MINUTE_MS);
  read(0);
  read(0);
  read(30 * HOUR_MS);
  for (let step = 0; step < 150; step++) read(MINUTE_MS + Math.floor(90_000 * random()));
  for (let step = 0; step < 120; step++) read(HOUR_MS + Math.floor(HOUR_MS * random()));
  read(200 * HOUR_MS);
  for (let step = 0; step < 30; step++) read(5 * MINUTE_MS);
  return readings;
}

const hourOf = ({ timestamp }: Reading): number => Math.floor(timestamp / HOUR_MS);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - middle) ** 2)) / Math.max(1, values.length - 1));
}

/** Features after each reading that counts, from the readings alone and with no thought for speed. */
function featuresByHand(all: readonly Reading[]): Map<number, number[]> {
  const kept: Reading[] = [];
  for (const reading of all) if (kept.length === 0 || reading.timestamp > kept.at(-1)!.timestamp) kept.push(reading);
  const since = kept.map((reading, index) => {
    if (index === 0) return { onsets: 0, sbe: 0, dbe: 0 };
    const before = kept[index - 1];
    let onsets = 0;
    for (let bit = 1; bit <= 128; bit *= 2)
      if ((reading.throttle_reasons & bit) !== 0 && (before.throttle_reasons & bit) === 0) onsets++;
    const more = (then: number, now: number): number => (now < then ? now : now - then);
    return { onsets, sbe: more(before.ecc_sbe, reading.ecc_sbe), dbe: more(before.ecc_dbe, reading.ecc_dbe) };
  });
  const features = new Map<number, number[]>();
  for (const [last, newest] of kept.entries()) {
    const hour = hourOf(newest);
    const first = kept.findIndex((reading) => hourOf(reading) > hour - HOURS);
    const window = kept.slice(first, last + 1);
    const open = window.filter((reading) => hourOf(reading) === hour);
    const of = (name: keyof Reading, from = window): number[] => from.map((reading) => reading[name]);
    const counted = (name: 'onsets' | 'sbe' | 'dbe'): number =>
      sum(since.slice(first, last + 1).map((item) => item[name]));
    const days = window.map(({ timestamp }) => (timestamp - newest.timestamp) / (24 * HOUR_MS));
    const [day, temp, power] = [mean(days), mean(of('gpu_temp')), mean(of('power_usage'))];
    const trend =
      sum(window.map((reading, index) => (days[index] - day) * (reading.gpu_temp - temp))) /
      sum(days.map((value) => (value - day) ** 2));
    features.set(newest.timestamp, [
      window.length,
      ...[temp, deviation(of('gpu_temp')), Math.min(...of('gpu_temp')), Math.max(...of('gpu_temp'))],
      ...[trend, mean(of('gpu_temp', open)) - temp],
      ...[power, deviation(of('power_usage')), Math.min(...of('power_usage')), Math.max(...of('power_usage'))],
      ...[deviation(of('power_usage')) / power, mean(of('power_usage', open)) - power],
      ...[mean(of('sm_active')), mean(of('sm_occupancy')), mean(of('memory_utilization')), mean(of('memory_temp'))],
      ...[counted('onsets'), counted('sbe'), counted('dbe')],
    ]);
  }
  return features;
}

await describeWith('peers', 'the peers compute what they are compared for', () => {
  const topic = 'readings';
  const fleet = Array.from({ length: GPUS }, (_, gpu) => ({ uuid: benchUuid(gpu), readings: readingsOf(gpu) }));
  const records = sum(fleet.map(({ readings }) => readings.length));
  let cluster: Cluster;
  let admin: KafkaAdmin;
  let programs: PeerPrograms;

  beforeAll(async () => {
    [cluster, programs] = await Promise.all([openCluster({}), buildPeers()]);
    admin = await KafkaAdmin.open(cluster);
    await admin.createTopic(topic, PARTITIONS);
    const messages = fleet.flatMap(({ uuid, readings }) =>
      readings.map((reading) => ({ key: uuid, value: JSON.stringify(reading), timestampMs: reading.timestamp })),
    );
    await new TestClient(cluster.brokers).produce(topic, messages);
  });
  afterAll(async () => {
    await admin?.close();
    await cluster?.stop();
  });

  it.each<PeerName>(['flink', 'streams'])(
    '%s: every feature vector equals one from raw readings',
    async (peer) => {
      const byHand = new Map(fleet.map(({ uuid, readings }) => [uuid, featuresByHand(readings)]));
      let compared = 0;
      await runPeer(cluster, admin, programs, {
        ...{ peer, topic, records, partitions: PARTITIONS },
        ...{ guarantee: 'exactly-once', emit: 'record', heap: '512m', before: 0 },
        inspect: async (output) => {
          for (const { key, value } of await readToEnd(cluster.brokers, output, PARTITION_NUMBERS)) {
            const timeMs = Number(value!.readBigInt64BE(0));
            const expected = byHand.get(key!)?.get(timeMs);
            expect(expected, `${key} at ${timeMs}`).toBeDefined();
            for (const [index, wanted] of expected!.entries()) {
              const got = value!.readDoubleBE(8 * (index + 1));
              const tolerance = 1e-5 * Math.max(1, Math.abs(wanted), OPERAND[index] ? expected![OPERAND[index]] : 0);
              if (Number.isNaN(wanted)) expect(got).toBeNaN();
              else
                expect(Math.abs(got - wanted), `${key} at ${timeMs}, feature ${index}`).toBeLessThanOrEqual(tolerance);
              compared++;
            }
          }
        },
      });
      const vectors = sum([...byHand.values()].map(({ size }) => size));
      expect(compared).toBe(20 * vectors);
      expect(vectors).toBe(records - 2 * GPUS);
    },
    240_000,
  );
});
