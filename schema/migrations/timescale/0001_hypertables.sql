-- TimescaleDB: chunks of a week, compressed after a week, dropped when nobody asks for them any more.

SELECT create_hypertable('gpu_metrics', 'as_of', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE, migrate_data => TRUE);
ALTER TABLE gpu_metrics SET (timescaledb.compress, timescaledb.compress_segmentby = 'gpu_uuid', timescaledb.compress_orderby = 'as_of DESC');
SELECT add_compression_policy('gpu_metrics', INTERVAL '7 days');
SELECT add_retention_policy('gpu_metrics', INTERVAL '90 days');

SELECT create_hypertable('gpu_features', 'as_of', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE, migrate_data => TRUE);
ALTER TABLE gpu_features SET (timescaledb.compress, timescaledb.compress_segmentby = 'gpu_uuid', timescaledb.compress_orderby = 'as_of DESC');
SELECT add_compression_policy('gpu_features', INTERVAL '7 days');
SELECT add_retention_policy('gpu_features', INTERVAL '1 year');

SELECT create_hypertable('gpu_failure_predictions', 'as_of', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE, migrate_data => TRUE);
ALTER TABLE gpu_failure_predictions SET (timescaledb.compress, timescaledb.compress_segmentby = 'gpu_uuid', timescaledb.compress_orderby = 'as_of DESC');
SELECT add_compression_policy('gpu_failure_predictions', INTERVAL '7 days');
SELECT add_retention_policy('gpu_failure_predictions', INTERVAL '1 year');

SELECT create_hypertable('gpu_health_scores', 'as_of', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE, migrate_data => TRUE);
ALTER TABLE gpu_health_scores SET (timescaledb.compress, timescaledb.compress_segmentby = 'gpu_uuid', timescaledb.compress_orderby = 'as_of DESC');
SELECT add_compression_policy('gpu_health_scores', INTERVAL '7 days');
SELECT add_retention_policy('gpu_health_scores', INTERVAL '1 year');

SELECT create_hypertable('gpu_economic_decisions', 'as_of', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE, migrate_data => TRUE);
ALTER TABLE gpu_economic_decisions SET (timescaledb.compress, timescaledb.compress_segmentby = 'gpu_uuid', timescaledb.compress_orderby = 'as_of DESC');
SELECT add_compression_policy('gpu_economic_decisions', INTERVAL '7 days');
SELECT add_retention_policy('gpu_economic_decisions', INTERVAL '2 years');

SELECT create_hypertable('gpu_alerts', 'as_of', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE, migrate_data => TRUE);
ALTER TABLE gpu_alerts SET (timescaledb.compress, timescaledb.compress_segmentby = 'alert', timescaledb.compress_orderby = 'as_of DESC');
SELECT add_compression_policy('gpu_alerts', INTERVAL '7 days');
SELECT add_retention_policy('gpu_alerts', INTERVAL '1 year');
