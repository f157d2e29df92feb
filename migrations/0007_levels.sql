-- Decisions and jobs on images, on series and on studies; which images were judged; and studies that wait for a decision.
--
-- Runs with foreign keys off, as it makes tables anew that others refer to. What refers to rows that are not there undoes
-- it at its end.

CREATE TABLE new_decisions (
    id           INTEGER PRIMARY KEY,
    level        TEXT NOT NULL CHECK (level IN ('instance', 'series', 'study')),
    -- NULL only where a series left the index before this was noted
    study        TEXT CHECK (study IS NOT NULL OR level = 'series'),
    -- NULL: of the whole study
    series       TEXT CHECK ((series IS NULL) = (level = 'study')),
    -- of the series; of the study where it is one of the study
    revision     INTEGER NOT NULL,
    -- rules on images and on series share one list
    position     INTEGER NOT NULL,
    rules_digest TEXT NOT NULL REFERENCES rule_sets (digest),
    rule         TEXT NOT NULL,
    runs         INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    trace        TEXT NOT NULL,
    -- what became of each image, by its place in decided_images
    fates        TEXT NOT NULL,
    -- what was asked for: the model, who gets its results, and who gets the images; forwards is NULL where that was not
    -- noted yet
    model        TEXT,
    send_to      TEXT NOT NULL,
    forwards     TEXT,
    at           INTEGER NOT NULL
);
INSERT INTO new_decisions
SELECT decisions.id, 'series',
    coalesce(jobs.study, (SELECT study FROM series WHERE uid = decisions.series),
        (SELECT study FROM reindexing WHERE uid = decisions.series)),
    decisions.series, decisions.revision, position, decisions.rules_digest, decisions.rule, runs, decisions.reason, trace,
    '[]', jobs.model, CASE jobs.shadow WHEN 0 THEN jobs.send_to ELSE '[]' END, NULL, at
FROM decisions LEFT JOIN jobs ON jobs.decision = decisions.id;

CREATE TABLE new_jobs (
    id           INTEGER PRIMARY KEY,
    -- a decision on images has one for each
    decision     INTEGER NOT NULL REFERENCES decisions (id),
    level        TEXT NOT NULL CHECK (level IN ('instance', 'series', 'study')),
    study        TEXT NOT NULL,
    -- NULL: of the whole study
    series       TEXT CHECK ((series IS NULL) = (level = 'study')),
    -- that it was made in, and the latest one that asked for it
    revision     INTEGER NOT NULL,
    last_asked   INTEGER NOT NULL,
    rule         TEXT NOT NULL,
    rules_digest TEXT NOT NULL,
    model        TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    -- 0 stat, 1 routine
    priority     INTEGER NOT NULL,
    shadow       INTEGER NOT NULL,
    selected     TEXT NOT NULL,
    -- the same by the names of the selections; NULL where the only one has no name
    selections   TEXT,
    send_to      TEXT NOT NULL,
    send_as      TEXT NOT NULL,
    decided_at   INTEGER NOT NULL,
    state        TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'finished', 'failed', 'superseded')),
    station      TEXT,
    attempts     INTEGER NOT NULL DEFAULT 0,
    reason       TEXT,
    -- when a queued job may begin; when the lease of a running one ends
    due_at       INTEGER NOT NULL,
    lease_owner  TEXT,
    started_at   INTEGER,
    finished_at  INTEGER,
    seconds      REAL,
    findings     TEXT,
    results      TEXT NOT NULL DEFAULT '[]',
    -- the digests of the selected images when the job was decided, in their order
    inputs       TEXT
);
INSERT INTO new_jobs
SELECT id, decision, 'series', study, series, revision, revision, rule, rules_digest, model, model_digest, priority, shadow,
    selected, NULL, send_to, send_as, decided_at, state, station, attempts, reason, due_at, lease_owner, started_at,
    finished_at, seconds, findings, results, inputs
FROM jobs;

DROP TABLE jobs;
DROP TABLE decisions;
ALTER TABLE new_decisions RENAME TO decisions;
ALTER TABLE new_jobs RENAME TO jobs;

-- A study and a series may have the same UID.
CREATE UNIQUE INDEX decisions_of_series ON decisions (series, revision, position) WHERE series IS NOT NULL;
CREATE UNIQUE INDEX decisions_of_study ON decisions (study, revision, position) WHERE series IS NULL;
CREATE INDEX jobs_due ON jobs (priority, decided_at, id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_series ON jobs (series, state);
CREATE INDEX jobs_by_study ON jobs (study, state);
CREATE INDEX jobs_by_image ON jobs (selected) WHERE level = 'instance';
CREATE INDEX jobs_by_model ON jobs (model, finished_at) WHERE state = 'finished';

-- SOP Instance UIDs in the order in which they were judged, as JSON.
CREATE TABLE decided_images (
    study    TEXT NOT NULL,
    -- NULL: of the whole study
    series   TEXT,
    revision INTEGER NOT NULL,
    images   TEXT NOT NULL
);
CREATE UNIQUE INDEX decided_images_of_series ON decided_images (series, revision) WHERE series IS NOT NULL;
CREATE UNIQUE INDEX decided_images_of_study ON decided_images (study, revision) WHERE series IS NULL;

-- decided: nothing waits to be decided. A decided series makes its study wait, in a new revision. What was received before
-- this is not decided anew.
ALTER TABLE studies ADD COLUMN state TEXT NOT NULL DEFAULT 'decided' CHECK (state IN ('waiting', 'decided'));
ALTER TABLE studies ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE INDEX studies_waiting ON studies (uid) WHERE state = 'waiting';

-- When the series was decided last, whatever it has come to since.
ALTER TABLE series ADD COLUMN decided_at INTEGER;
UPDATE series SET decided_at = (SELECT max(at) FROM decisions WHERE decisions.series = series.uid);
UPDATE series SET decided_at = ifnull((SELECT max(at) FROM completions WHERE series = uid), last_arrival)
WHERE decided_at IS NULL AND state = 'decided';
CREATE INDEX series_by_decision ON series (decided_at);

-- What series and studies had come to when a rebuild of the index began.
ALTER TABLE reindexing ADD COLUMN decided_at INTEGER;
CREATE TABLE reindexing_studies (
    uid      TEXT PRIMARY KEY,
    state    TEXT NOT NULL,
    revision INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE dangling (
    found INTEGER NOT NULL CONSTRAINT rows_refer_to_rows_that_are_there CHECK (found = 0)
);
INSERT INTO dangling
SELECT (SELECT count(*) FROM pragma_foreign_key_check('decisions')) + (SELECT count(*) FROM pragma_foreign_key_check('jobs'))
    + (SELECT count(*) FROM pragma_foreign_key_check('outbox'));
DROP TABLE dangling;
