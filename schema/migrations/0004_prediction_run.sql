-- Training run behind a prediction. Rows of before this step have none.

ALTER TABLE gpu_failure_predictions
  ADD COLUMN run_id text;

-- A view keeps the columns it was made with.
CREATE OR REPLACE VIEW v_latest_predictions AS
SELECT DISTINCT ON (gpu_uuid) *
FROM gpu_failure_predictions
ORDER BY gpu_uuid, as_of DESC, emitted_at DESC;
