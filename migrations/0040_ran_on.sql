-- On what a job's model ran, where its last digits came from: `cpu`, `cuda:0`, and ONNX Runtime's version and commit. NULL: it ran before this was
-- noted, or not yet.

ALTER TABLE jobs ADD COLUMN ran_on TEXT;
ALTER TABLE jobs ADD COLUMN runtime TEXT;
