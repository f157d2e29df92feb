-- The index: what the segments hold, and what became of it. Times are microseconds since 1970, UTC.

-- How far each segment is in the index.
CREATE TABLE segments (
    number        INTEGER PRIMARY KEY,
    indexed_bytes INTEGER NOT NULL
);

CREATE TABLE studies (
    uid           TEXT PRIMARY KEY,
    first_arrival INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE series (
    uid           TEXT PRIMARY KEY,
    study         TEXT NOT NULL REFERENCES studies (uid) DEFERRABLE INITIALLY DEFERRED,
    calling_ae    TEXT NOT NULL,
    called_ae     TEXT NOT NULL,
    instances     INTEGER NOT NULL,
    first_arrival INTEGER NOT NULL,
    last_arrival  INTEGER NOT NULL,
    -- made: nothing in it was received, so that nothing is decided for it
    state         TEXT NOT NULL CHECK (state IN ('receiving', 'complete', 'decided', 'made')),
    revision      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX series_by_state ON series (state, last_arrival);
CREATE INDEX series_by_study ON series (study);

CREATE TABLE instances (
    sop_instance    TEXT PRIMARY KEY,
    sop_class       TEXT NOT NULL,
    series          TEXT NOT NULL REFERENCES series (uid) DEFERRABLE INITIALLY DEFERRED,
    study           TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL,
    calling_ae      TEXT NOT NULL,
    called_ae       TEXT NOT NULL,
    arrival         INTEGER NOT NULL,
    origin          TEXT NOT NULL CHECK (origin IN ('received', 'made')),
    -- where its record begins
    segment         INTEGER NOT NULL REFERENCES segments (number) DEFERRABLE INITIALLY DEFERRED,
    offset          INTEGER NOT NULL,
    -- of the Part 10 file
    bytes           INTEGER NOT NULL,
    -- BLAKE3 of the data set without the File Meta Information
    digest          BLOB NOT NULL,
    -- of the Part 10 file without its bulk data, as JSON
    header          TEXT NOT NULL
);
CREATE INDEX instances_by_series ON instances (series, arrival);
CREATE INDEX instances_by_segment ON instances (segment, offset);

-- What the series had come to when a rebuild of the index began; empty when none is under way.
CREATE TABLE reindexing (
    uid       TEXT PRIMARY KEY,
    instances INTEGER NOT NULL,
    state     TEXT NOT NULL,
    revision  INTEGER NOT NULL
) WITHOUT ROWID;

-- From here on rows outlive a rebuilt index and refer to instances by UID alone.

CREATE TABLE rule_sets (
    digest TEXT PRIMARY KEY,
    text   TEXT NOT NULL,
    at     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE decisions (
    id           INTEGER PRIMARY KEY,
    series       TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    rules_digest TEXT NOT NULL REFERENCES rule_sets (digest),
    rule         TEXT NOT NULL,
    runs         INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    trace        TEXT NOT NULL,
    at           INTEGER NOT NULL,
    UNIQUE (series, revision, position)
);

CREATE TABLE jobs (
    id           INTEGER PRIMARY KEY,
    decision     INTEGER NOT NULL UNIQUE REFERENCES decisions (id),
    series       TEXT NOT NULL,
    study        TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    rule         TEXT NOT NULL,
    rules_digest TEXT NOT NULL,
    model        TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    -- 0 stat, 1 routine
    priority     INTEGER NOT NULL,
    shadow       INTEGER NOT NULL,
    selected     TEXT NOT NULL,
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
    results      TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX jobs_due ON jobs (priority, decided_at, id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_series ON jobs (series);

CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY,
    peer         TEXT NOT NULL,
    sop_instance TEXT NOT NULL,
    job          INTEGER REFERENCES jobs (id),
    priority     INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('queued', 'delivered', 'parked')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    reason       TEXT,
    -- DIMSE status with which the peer took it
    status       INTEGER,
    queued_at    INTEGER NOT NULL,
    -- when it may be tried; while it is leased, when the lease ends
    due_at       INTEGER NOT NULL,
    delivered_at INTEGER,
    UNIQUE (peer, sop_instance)
);
CREATE INDEX outbox_due ON outbox (peer, priority, queued_at, id) WHERE state = 'queued';
CREATE INDEX outbox_by_job ON outbox (job);
CREATE INDEX outbox_by_instance ON outbox (sop_instance);

CREATE TABLE events (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    station TEXT NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT,
    text    TEXT NOT NULL
);
