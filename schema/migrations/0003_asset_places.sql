-- Batch and place of a GPU, for failure odds from asset data alone.

ALTER TABLE gpu_assets
  ADD COLUMN batch text,
  ADD COLUMN cage integer,
  ADD COLUMN rack text,
  ADD COLUMN slot integer;
