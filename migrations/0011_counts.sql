-- Counting reads indexes alone, however much was decided and delivered. None is on instances: receiving pays nothing.

CREATE INDEX outbox_counts ON outbox (peer, state, due_at);
-- The few rows that say what went wrong.
CREATE INDEX outbox_trouble ON outbox (peer, due_at) WHERE reason IS NOT NULL;
CREATE INDEX jobs_counts ON jobs (model, state);
CREATE INDEX jobs_trouble ON jobs (model, id) WHERE state IN ('failed', 'queued') AND reason IS NOT NULL;

-- 1: an image that it reads was evicted before it failed, so that nothing is kept for it any more.
ALTER TABLE jobs ADD COLUMN images_gone INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET images_gone = 1 WHERE state = 'failed'
    AND EXISTS (SELECT 1 FROM json_each(jobs.selected) AS image
                    JOIN instances ON instances.sop_instance = image.value
                    JOIN segments ON segments.number = instances.segment
                WHERE segments.evicted_at IS NOT NULL);

-- Studies that all series have left have nothing to be decided.
UPDATE studies SET state = 'decided' WHERE state = 'waiting'
    AND NOT EXISTS (SELECT 1 FROM series WHERE series.study = studies.uid AND series.state <> 'made');
