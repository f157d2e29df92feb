-- What came under the UID of a kept instance with other bytes, where the configuration lets it take the place.

-- When other bytes took the place of the first; NULL while the first are there.
ALTER TABLE instances ADD COLUMN changed_at INTEGER;
-- Its record says that the one before it stays beside it.
ALTER TABLE instances ADD COLUMN keeps_earlier INTEGER NOT NULL DEFAULT 0;

-- Earlier bytes that stay beside those of their instance, each once.
CREATE TABLE versions (
    sop_instance TEXT NOT NULL,
    digest       BLOB NOT NULL,
    series       TEXT NOT NULL,
    study        TEXT NOT NULL,
    calling_ae   TEXT NOT NULL,
    arrival      INTEGER NOT NULL,
    segment      INTEGER NOT NULL REFERENCES segments (number) DEFERRABLE INITIALLY DEFERRED,
    offset       INTEGER NOT NULL,
    -- of the Part 10 file
    bytes        INTEGER NOT NULL,
    PRIMARY KEY (sop_instance, digest)
) WITHOUT ROWID;
CREATE INDEX versions_by_segment ON versions (segment, offset);
CREATE INDEX versions_by_series ON versions (series);
