-- As which of how many a job went through its graph, where its model takes several at once: with another number of
-- them the last digits may differ, and what is made again has to be the same.

ALTER TABLE jobs ADD COLUMN batch_at INTEGER;
ALTER TABLE jobs ADD COLUMN batch_of INTEGER;
