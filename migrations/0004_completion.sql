-- Why and when a series counted as complete, what it waits for, and what its peer taught. Like decisions, these rows
-- outlive a rebuilt index and refer to series by UID alone.

CREATE TABLE completions (
    series       TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    instances    INTEGER NOT NULL,
    last_arrival INTEGER NOT NULL,
    -- when it became complete; NULL while it waits for more than its quiet time
    at           INTEGER,
    -- when it is, or was, due as things stood
    due          INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    -- when the last association that carried it was released
    released_at  INTEGER,
    -- an association that carried it was broken off, and none after it was released
    broken_off   INTEGER NOT NULL,
    PRIMARY KEY (series, revision)
) WITHOUT ROWID;

-- The longest gaps within a series, the latest series of each peer only. Microseconds.
CREATE TABLE gaps (
    id       INTEGER PRIMARY KEY,
    peer     TEXT NOT NULL,
    series   TEXT NOT NULL,
    revision INTEGER NOT NULL,
    -- an image came behind this gap when the series had counted as complete
    late     INTEGER NOT NULL,
    -- from one image to the next
    images   INTEGER,
    -- from the release of one association to the next image on another
    associations INTEGER,
    UNIQUE (series, revision, late)
);
CREATE INDEX gaps_by_peer ON gaps (peer, id);

-- Whether the numbers of images that the headers of a peer name come true.
CREATE TABLE named_counts (
    peer      TEXT NOT NULL,
    attribute TEXT NOT NULL,
    came_true INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    -- below zero the number is not believed
    credit    INTEGER NOT NULL,
    PRIMARY KEY (peer, attribute)
) WITHOUT ROWID;
