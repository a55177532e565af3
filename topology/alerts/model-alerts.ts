import { setTimeout as delay } from 'node:timers/promises';
import { AlertBook, MODEL_REFUSED } from '../../operators/alerts/rules.js';
import type { AvroCodec } from '../../schema/avro.js';
import type { Clock } from '../../schema/clock.js';
import { ActuaryError, messageOf, type ErrorCode } from '../../schema/errors.js';
import type { AlertRecord } from '../../schema/records.js';
import { topicName } from '../../schema/topics.js';
import type { Instruments } from '../instruments.js';
import { readToEnd } from '../kafka/bounded-reader.js';
import { openSink, type KafkaConnection } from '../kafka/connection.js';
import type { Log } from '../roles/role.js';
import { alertKey, alertOutput } from './alert-output.js';

const MAX_ALERT_BYTES = 1_000_000;
const RETRY_MS = 30_000;
/** Longest that a stop waits for what is still to be said. */
const CLOSE_WITHIN_MS = 5_000;

export interface AlertWriting {
  readonly connection: KafkaConnection;
  readonly codec: AvroCodec;
  readonly instruments: Pick<Instruments, 'recordsWritten'>;
}

/**
 * Tells gpu.alerts when a model was refused, and when the place it came from has a usable one again. What was said of
 * that place before, by any process, is read from the topic first, so that nothing is said twice. It happens rarely:
 * no client is kept for it.
 */
export class ModelAlerts {
  private readonly waiting: AlertRecord[] = [];
  private readonly stopped = new AbortController();
  private writing: AlertWriting | null = null;
  private telling: Promise<void> = Promise.resolve();
  /** The last word of the topic on this place, as far as it was read: next offsets by partition. */
  private known: AlertRecord | null = null;
  private readTo: ReadonlyMap<number, number> = new Map();

  /** @param place where models come from: a directory, or `name@alias` of a registry */
  constructor(
    private readonly place: string,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** @param what of the place was refused */
  refused(code: ErrorCode, what: string): void {
    this.say('firing', `${what} is refused as ${code}; another model goes on`);
  }

  usable(modelVersion: string): void {
    this.say('resolved', `${modelVersion} is usable`);
  }

  /** From now on what is to be said is written; until then it waits, for models are looked at before Kafka is. */
  start(writing: AlertWriting): void {
    this.writing = writing;
    this.tell();
  }

  /** What is still to be said is tried once more; what is not written then, the log says. */
  async close(): Promise<void> {
    this.stopped.abort();
    // A broker that does not answer may take its time.
    await Promise.race([this.telling, delay(CLOSE_WITHIN_MS, undefined, { ref: false })]);
    for (const { state, detail } of this.waiting)
      this.log.error(
        { role: 'alerts', code: 'output_unwritable', alert: MODEL_REFUSED, subject: this.place, state },
        `not written to gpu.alerts: ${detail}. The next start tells what holds then`,
      );
  }

  private say(state: AlertRecord['state'], detail: string): void {
    const as_of = this.clock.now();
    this.waiting.push({ alert: MODEL_REFUSED, subject: this.place, gpu_uuid: null, state, as_of, detail });
    this.tell();
  }

  private tell(): void {
    const { writing } = this;
    if (writing !== null) this.telling = this.telling.then(() => this.tellAll(writing));
  }

  private async tellAll(writing: AlertWriting): Promise<void> {
    const { signal } = this.stopped;
    while (this.waiting.length > 0) {
      const isLastTry = signal.aborted;
      const said = [...this.waiting];
      try {
        await write(said, await this.bookOf(writing), writing, (message) => this.log.warn({ role: 'alerts' }, message));
        this.waiting.splice(0, said.length);
      } catch (error) {
        const code = error instanceof ActuaryError ? error.code : 'internal';
        this.log.warn({ role: 'alerts', code }, `a model alert is still to be written: ${messageOf(error)}`);
        if (isLastTry) return;
        // All that can end this early is the stop, and then it is tried once more.
        await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  /** What the topic says of the place now: what came since it was last looked at, beside what was known then. */
  private async bookOf({ connection, codec }: AlertWriting): Promise<AlertBook> {
    const key = alertKey({ alert: MODEL_REFUSED, subject: this.place });
    const values: Buffer[] = [];
    const readTo = await readToEnd(connection, topicName(connection.topicPrefix, 'alerts'), this.readTo, (message) => {
      if (String(message.key) === key && message.value !== null) values.push(message.value);
    });
    for (const value of values) {
      const record = await codec.decode<AlertRecord>('alerts', value);
      if (this.known === null || record.as_of >= this.known.as_of) this.known = record;
    }
    this.readTo = readTo;
    const book = new AlertBook();
    if (this.known !== null) book.restore(this.known);
    return book;
  }
}

async function write(
  said: readonly AlertRecord[],
  book: AlertBook,
  { connection, codec, instruments }: AlertWriting,
  warn: (message: string) => void,
): Promise<void> {
  const news = said.map((alert) => book.set(alert)).filter((alert) => alert !== null);
  if (news.length === 0) return;
  const sink = await openSink(connection, 'model-alerts', MAX_ALERT_BYTES, warn);
  try {
    await sink.write(news.map((alert) => alertOutput(connection, codec, alert)));
    await sink.flush();
    instruments.recordsWritten('alerts', news.length);
  } finally {
    await sink.close();
  }
}
