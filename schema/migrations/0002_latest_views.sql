-- The newest record of each GPU. A GPU's newest row is one step of the index, whatever lies behind it.

CREATE VIEW v_latest_predictions AS
SELECT DISTINCT ON (gpu_uuid) *
FROM gpu_failure_predictions
ORDER BY gpu_uuid, as_of DESC, emitted_at DESC;

CREATE VIEW v_latest_health AS
SELECT DISTINCT ON (gpu_uuid) *
FROM gpu_health_scores
ORDER BY gpu_uuid, as_of DESC, emitted_at DESC;

CREATE VIEW v_latest_economic_decisions AS
SELECT DISTINCT ON (gpu_uuid) *
FROM gpu_economic_decisions
ORDER BY gpu_uuid, as_of DESC, emitted_at DESC;
