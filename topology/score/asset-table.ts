import type { AvroCodec } from '../../schema/avro.js';
import { DecodeError } from '../../schema/avro.js';
import type { AssetRecord } from '../../schema/records.js';
import type { LogRecord } from '../kafka/log.js';

/** gpu.assets in memory: the newest record of each GPU; a tombstone takes it away. */
export class AssetTable {
  private readonly assets = new Map<string, AssetRecord>();

  constructor(
    private readonly codec: AvroCodec,
    private readonly unreadable: (record: LogRecord, error: DecodeError) => void,
  ) {}

  get size(): number {
    return this.assets.size;
  }

  readonly get = (gpuUuid: string): AssetRecord | undefined => this.assets.get(gpuUuid);

  entries(): IterableIterator<[string, AssetRecord]> {
    return this.assets.entries();
  }

  readonly apply = async (records: readonly LogRecord[]): Promise<void> => {
    for (const record of records) {
      if (record.key === null) continue;
      const uuid = record.key.toString('utf8');
      if (record.value === null) {
        this.assets.delete(uuid);
        continue;
      }
      try {
        this.assets.set(uuid, await this.codec.decode<AssetRecord>('assets', record.value));
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        this.unreadable(record, error);
      }
    }
  };
}
