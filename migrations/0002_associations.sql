-- What became of each association, for the admin: who asked, what was offered, how it ended. Titles and UIDs only,
-- nothing of a patient. Like decisions, these rows outlive a rebuilt index.

-- The latest of each outcome; see MOST in store/src/associations.rs.
CREATE TABLE associations (
    id             INTEGER PRIMARY KEY,
    began_at       INTEGER NOT NULL,
    ended_at       INTEGER NOT NULL,
    address        TEXT NOT NULL,
    -- as the peer sent them; what controls a terminal is replaced
    calling_ae     TEXT NOT NULL,
    called_ae      TEXT NOT NULL,
    implementation TEXT NOT NULL,
    -- what was offered and what was answered, as JSON
    contexts       TEXT NOT NULL,
    outcome        TEXT NOT NULL CHECK (outcome IN ('released', 'broken off', 'refused')),
    -- what the counters count
    kind           TEXT NOT NULL,
    explanation    TEXT NOT NULL,
    -- C-STOREs that were answered, bytes of their data sets, and how often each status was the answer, as JSON
    objects        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    statuses       TEXT NOT NULL
);
CREATE INDEX associations_by_outcome ON associations (outcome, id);
CREATE INDEX associations_by_calling_ae ON associations (calling_ae, id);

-- All of them since the index was made, by the kind of their end.
CREATE TABLE association_counts (
    kind  TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) WITHOUT ROWID;
