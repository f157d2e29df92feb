-- Whose turn it is: of the models that wait with one priority the one that was served least lately goes first.

CREATE TABLE turns (
    -- as in jobs
    priority INTEGER NOT NULL,
    model    TEXT NOT NULL,
    -- higher: served later; 0: never
    turn     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (priority, model)
) WITHOUT ROWID;
INSERT INTO turns (priority, model)
SELECT DISTINCT priority, model FROM jobs WHERE state IN ('queued', 'running');

DROP INDEX jobs_due;
CREATE INDEX jobs_waiting ON jobs (priority, model, decided_at) WHERE state IN ('queued', 'running');
