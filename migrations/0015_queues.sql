-- A queue for each peer: what is on its way is known apart from what waits, an admin may drop a delivery without taking
-- it out of the history, and what is known of a peer as a whole stands in one row.

-- As SQLite changes no CHECK, the table is made anew. Nothing refers to it.
CREATE TABLE outbox_anew (
    id           INTEGER PRIMARY KEY,
    peer         TEXT NOT NULL,
    sop_instance TEXT NOT NULL,
    job          INTEGER REFERENCES jobs (id),
    priority     INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('queued', 'delivered', 'parked', 'dropped')),
    -- how often the peer was asked to take it; a peer that was away was not asked
    attempts     INTEGER NOT NULL DEFAULT 0,
    reason       TEXT,
    -- DIMSE status with which the peer took it
    status       INTEGER,
    queued_at    INTEGER NOT NULL,
    -- when it may be tried; while it is leased, when the lease ends
    due_at       INTEGER NOT NULL,
    delivered_at INTEGER,
    digest       BLOB,
    changes      TEXT,
    asked_on     TEXT,
    -- since when it is on its way; NULL while it waits
    leased_at    INTEGER,
    -- when an admin last had it tried again: it ages from then on
    retried_at   INTEGER,
    dropped_at   INTEGER,
    dropped_by   TEXT,
    dropped_why  TEXT,
    UNIQUE (peer, sop_instance)
);
INSERT INTO outbox_anew (id, peer, sop_instance, job, priority, state, attempts, reason, status, queued_at, due_at,
    delivered_at, digest, changes, asked_on)
SELECT id, peer, sop_instance, job, priority, state, attempts, reason, status, queued_at, due_at,
    delivered_at, digest, changes, asked_on FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_anew RENAME TO outbox;
CREATE INDEX outbox_due ON outbox (peer, priority, queued_at, id) WHERE state = 'queued';
CREATE INDEX outbox_by_job ON outbox (job);
CREATE INDEX outbox_by_instance ON outbox (sop_instance);
CREATE INDEX outbox_counts ON outbox (peer, state, due_at);
-- The few rows that say what went wrong.
CREATE INDEX outbox_trouble ON outbox (peer, due_at) WHERE reason IS NOT NULL;

-- A row for each peer that was ever away, or that an admin said something about.
CREATE TABLE outbox_peers (
    peer       TEXT PRIMARY KEY,
    -- how often in a row it could not be reached, or took nothing; 0: it is well
    failures   INTEGER NOT NULL DEFAULT 0,
    -- of these: since when, why, and when it is tried next
    down_since INTEGER,
    reason     TEXT,
    retry_at   INTEGER,
    paused_at  INTEGER,
    paused_by  TEXT,
    paused_why TEXT,
    -- when an admin last let it go on: what waits ages from then on
    resumed_at INTEGER,
    -- grows with each command of an admin, so that a running node notices
    asked      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
