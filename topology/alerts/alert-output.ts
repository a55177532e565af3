import type { AvroCodec } from '../../schema/avro.js';
import type { AlertRecord } from '../../schema/records.js';
import { topicName } from '../../schema/topics.js';
import type { OutputRecord } from '../../sinks/kafka.js';
import type { KafkaConnection } from '../kafka/connection.js';

/** Key of an alert in gpu.alerts: compaction keeps the last word on each. */
export const alertKey = ({ alert, subject }: Pick<AlertRecord, 'alert' | 'subject'>): string => `${alert}/${subject}`;

export function alertOutput({ topicPrefix }: KafkaConnection, codec: AvroCodec, alert: AlertRecord): OutputRecord {
  return {
    topic: topicName(topicPrefix, 'alerts'),
    partition: null,
    key: alertKey(alert),
    value: codec.encode('alerts', alert),
  };
}
