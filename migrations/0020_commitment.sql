-- Storage commitment: what peers still have to promise to keep, and what this node was asked to promise.

CREATE TABLE proofs (
    peer            TEXT NOT NULL,
    sop_instance    TEXT NOT NULL,
    sop_class       TEXT NOT NULL,
    -- wanted: to be asked for; asked: a report is waited for; lost: it is sent again
    state           TEXT NOT NULL CHECK (state IN ('wanted', 'asked', 'proven', 'lost')),
    -- when the peer took it
    taken_at        INTEGER NOT NULL,
    -- of the request that it was part of last
    transaction_uid TEXT,
    -- when it is asked for; while it is asked: until when a report is waited for
    due_at          INTEGER NOT NULL,
    -- how often it was sent again because no promise came
    resent          INTEGER NOT NULL DEFAULT 0,
    proven_at       INTEGER,
    reason          TEXT,
    PRIMARY KEY (peer, sop_instance)
) WITHOUT ROWID;
CREATE INDEX proofs_due ON proofs (peer, state, due_at);
CREATE INDEX proofs_by_instance ON proofs (sop_instance) WHERE state <> 'proven';
CREATE INDEX proofs_by_transaction ON proofs (transaction_uid) WHERE state = 'asked';

CREATE TABLE promises (
    id              INTEGER PRIMARY KEY,
    peer            TEXT NOT NULL,
    transaction_uid TEXT NOT NULL,
    asked_at        INTEGER NOT NULL,
    -- SOP class and instance of each, as JSON; emptied once it was reported
    instances       TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('waiting', 'reported', 'given up')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    -- when it is reported, or tried again
    due_at          INTEGER NOT NULL,
    reported_at     INTEGER,
    committed       INTEGER,
    failed          INTEGER,
    reason          TEXT,
    UNIQUE (peer, transaction_uid)
);
CREATE INDEX promises_due ON promises (due_at) WHERE state = 'waiting';
