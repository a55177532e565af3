import { DecodeError, type AvroCodec } from '../../schema/avro.js';
import { namedByLabelKey } from '../../schema/label-key.js';
import { fromSamplesRecord } from '../../schema/samples.js';
import { METRIC_COLUMNS, MinuteRows, ROW_MS } from '../../sinks/timescale/minute-rows.js';
import type { Row } from '../../sinks/timescale/sink.js';
import { OUTPUT_TABLES, UPSERT_KEYS, type LoadedTopic, type Table } from '../../sinks/timescale/tables.js';
import type { LogRecord } from '../kafka/log.js';
import type { LoadedPartition } from './partitions.js';

export type LoadTopic = LoadedTopic | 'samples';

/** Rows of one poll, on their way into the database. */
export interface LoadUnit {
  readonly rows: Row[];
  readonly touched: Set<LoadedPartition>;
  /** Rows that the database does not take; in the dead letters already. */
  readonly refused: Set<Row>;
  /** Records that cannot be read, until they are in the dead letters. */
  readonly undecodable: { readonly record: LogRecord; readonly error: DecodeError }[];
}

export function emptyUnit(): LoadUnit {
  return { rows: [], touched: new Set(), refused: new Set(), undecodable: [] };
}

/** Turns records into rows of their tables. */
export class RowMaker {
  private unit = emptyUnit();

  constructor(private readonly codec: AvroCodec) {}

  /** Rows go into this unit from now on, those that a minute's end gives too. */
  begin(unit: LoadUnit): void {
    this.unit = unit;
  }

  async add(topic: LoadTopic, owned: LoadedPartition, record: LogRecord): Promise<void> {
    if (record.value === null) {
      this.removal(topic, record);
      return;
    }
    try {
      if (topic === 'samples')
        owned.minutes?.add(
          fromSamplesRecord(await this.codec.decode('samples', record.value)),
          record.offset,
          record.timestampMs,
        );
      else this.output(topic, record, await this.codec.decode<never>(topic, record.value));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      // The score role reads gpu.samples too, and has the letter written: one is enough.
      if (topic !== 'samples') this.unit.undecodable.push({ record, error });
    }
  }

  /** The minute rows of a partition. */
  minutesOf(owned: LoadedPartition, metrics: keyof typeof ROW_MS): MinuteRows {
    return new MinuteRows((cells, offset) => {
      // Read again only to rebuild open rows: this one is in the database already.
      if (offset < owned.written) return;
      const origin = { ...owned.partition, offset };
      this.unit.rows.push({ table: 'gpu_metrics', columns: METRIC_COLUMNS, cells, origin });
    }, ROW_MS[metrics]);
  }

  private output(topic: LoadedTopic, { topic: name, partition, offset }: LogRecord, record: never): void {
    const table: Table = OUTPUT_TABLES[topic];
    this.unit.rows.push({
      table: table.name,
      columns: table.columns,
      cells: table.row(record),
      origin: { topic: name, partition, offset },
    });
  }

  /** A tombstone takes the rows of its key out of a table that holds one row a key. */
  private removal(topic: LoadTopic, { topic: name, partition, offset, key }: LogRecord): void {
    if (topic === 'samples' || key === null) return;
    const { name: table } = OUTPUT_TABLES[topic];
    const keys = UPSERT_KEYS[table];
    if (keys === undefined) return;
    const origin = { topic: name, partition, offset };
    const named = key.toString('utf8');
    const cells = topic === 'labels' ? namedByLabelKey(named) : [named];
    this.unit.rows.push({ table, columns: keys.slice(0, cells.length), cells, removes: true, origin });
  }
}
