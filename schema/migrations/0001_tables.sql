-- Tables of the engine's outputs. Columns are the field names of the records (schema/records.ts).
-- No unique index on the time series: exactly once comes from sink_offsets, and TimescaleDB compresses directly
-- only where there is none.

CREATE TABLE gpu_metrics (
  gpu_uuid text NOT NULL,
  as_of timestamptz NOT NULL,
  samples integer NOT NULL,
  gpu_temp double precision,
  memory_temp double precision,
  power_usage double precision,
  sm_active double precision,
  sm_occupancy double precision,
  tensor_active double precision,
  dram_active double precision,
  gpu_util double precision,
  memory_util double precision,
  fb_used double precision,
  fb_free double precision,
  fb_reserved double precision,
  fb_total double precision,
  throttle_reasons double precision,
  ecc_sbe_vol double precision,
  ecc_sbe_agg double precision,
  ecc_dbe_vol double precision,
  ecc_dbe_agg double precision,
  remap_correctable double precision,
  remap_uncorrectable double precision,
  remap_failure double precision,
  pcie_replay double precision,
  xid double precision,
  sm_clock double precision,
  mem_clock double precision,
  energy double precision
);
COMMENT ON TABLE gpu_metrics IS 'Telemetry in normalised units: a row a GPU and minute (as_of is its start), or every sample';
CREATE INDEX gpu_metrics_gpu_uuid_as_of_idx ON gpu_metrics (gpu_uuid, as_of DESC);

CREATE TABLE gpu_features (
  gpu_uuid text NOT NULL,
  as_of timestamptz NOT NULL,
  newest_reading_at timestamptz NOT NULL,
  trigger text NOT NULL,
  feature_set text NOT NULL,
  gpu_temp_mean double precision,
  gpu_temp_std double precision,
  gpu_temp_min double precision,
  gpu_temp_max double precision,
  gpu_temp_trend double precision,
  power_usage_mean double precision,
  power_usage_std double precision,
  power_usage_cv double precision,
  power_efficiency double precision,
  sm_active_mean double precision,
  sm_active_std double precision,
  sm_occupancy_mean double precision,
  memory_util_mean double precision,
  memory_util_std double precision,
  thermal_throttle_count double precision,
  power_brake_count double precision,
  sw_power_cap_count double precision,
  ecc_sbe_event_count double precision,
  ecc_dbe_event_count double precision,
  temp_spike_count double precision,
  power_anomaly_count double precision,
  throttle_duration_hours double precision,
  gpu_age_days double precision,
  warranty_remaining_days double precision,
  total_operating_hours double precision,
  model_a100 double precision,
  model_h100 double precision,
  gpu_temp_mean_24h_delta double precision,
  power_usage_mean_24h_delta double precision,
  memory_util_mean_24h_delta double precision,
  ecc_sbe_24h_count double precision,
  memory_temp_mean double precision,
  memory_temp_max double precision,
  thermal_resistance double precision,
  thermal_resistance_24h_delta double precision,
  thermal_residual_spike_count double precision,
  xid_hardware_count double precision,
  xid_precursor_count double precision,
  xid_application_count double precision,
  hours_since_hardware_xid double precision,
  remap_correctable_count double precision,
  remap_uncorrectable_count double precision,
  remap_correctable_total double precision,
  remap_uncorrectable_total double precision,
  remap_failure double precision,
  pcie_replay_count double precision,
  nvlink_error_count double precision,
  sm_clock_mean double precision,
  sm_clock_std double precision,
  sm_clock_under_load_24h_delta double precision,
  reporting_ratio double precision,
  gap_count double precision,
  longest_gap_hours double precision,
  silent_minutes double precision,
  emitted_at timestamptz NOT NULL,
  instance text NOT NULL
);
CREATE INDEX gpu_features_gpu_uuid_as_of_idx ON gpu_features (gpu_uuid, as_of DESC);

CREATE TABLE feature_definitions (
  name text PRIMARY KEY,
  unit text NOT NULL,
  feature_set text NOT NULL,
  description text NOT NULL
);

CREATE TABLE gpu_failure_predictions (
  gpu_uuid text NOT NULL,
  as_of timestamptz NOT NULL,
  newest_reading_at timestamptz NOT NULL,
  trigger text NOT NULL,
  model text,
  host text,
  failure_prob_7d double precision NOT NULL,
  failure_prob_30d double precision NOT NULL,
  failure_prob_90d double precision NOT NULL,
  predicted_failure_type text,
  failure_type_prob double precision,
  estimated_ttf_days double precision,
  coverage double precision NOT NULL,
  confidence double precision NOT NULL,
  model_version text NOT NULL,
  feature_set text NOT NULL,
  top_factors jsonb,
  emitted_at timestamptz NOT NULL,
  instance text NOT NULL
);
CREATE INDEX gpu_failure_predictions_gpu_uuid_as_of_idx ON gpu_failure_predictions (gpu_uuid, as_of DESC);

CREATE TABLE gpu_health_scores (
  gpu_uuid text NOT NULL,
  as_of timestamptz NOT NULL,
  newest_reading_at timestamptz NOT NULL,
  trigger text NOT NULL,
  score double precision,
  grade text,
  coverage double precision NOT NULL,
  dimensions jsonb NOT NULL,
  deductions jsonb NOT NULL,
  emitted_at timestamptz NOT NULL,
  instance text NOT NULL
);
CREATE INDEX gpu_health_scores_gpu_uuid_as_of_idx ON gpu_health_scores (gpu_uuid, as_of DESC);

CREATE TABLE gpu_economic_decisions (
  gpu_uuid text NOT NULL,
  as_of timestamptz NOT NULL,
  newest_reading_at timestamptz NOT NULL,
  trigger text NOT NULL,
  decision text NOT NULL,
  expected_value double precision NOT NULL,
  npv_keep double precision NOT NULL,
  npv_sell double precision NOT NULL,
  npv_repurpose double precision NOT NULL,
  salvage_value double precision NOT NULL,
  confidence double precision NOT NULL,
  robustness double precision,
  rationale text NOT NULL,
  profile text NOT NULL,
  emitted_at timestamptz NOT NULL,
  instance text NOT NULL
);
CREATE INDEX gpu_economic_decisions_gpu_uuid_as_of_idx ON gpu_economic_decisions (gpu_uuid, as_of DESC);

CREATE TABLE gpu_failure_labels (
  gpu_uuid text NOT NULL,
  failed_at timestamptz NOT NULL,
  type text NOT NULL,
  PRIMARY KEY (gpu_uuid, failed_at)
);

CREATE TABLE gpu_assets (
  gpu_uuid text PRIMARY KEY,
  model text,
  deployment_date text,
  purchase_date text,
  warranty_end text,
  operating_hours double precision,
  operating_hours_at text
);

CREATE TABLE gpu_alerts (
  alert text NOT NULL,
  subject text NOT NULL,
  gpu_uuid text,
  state text NOT NULL,
  as_of timestamptz NOT NULL,
  detail text NOT NULL
);
CREATE INDEX gpu_alerts_alert_subject_as_of_idx ON gpu_alerts (alert, subject, as_of DESC);

CREATE TABLE sink_offsets (
  sink text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (sink, topic, partition)
);
COMMENT ON TABLE sink_offsets IS 'How far each partition has been loaded; moves in the same transaction as the rows';
