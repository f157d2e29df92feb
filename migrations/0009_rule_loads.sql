-- Which rules were in force, from when on, and what was refused instead. Like decisions, these rows outlive a rebuilt index.

-- The files of a set of rules as they were, byte for byte. Sets that were kept before have their text in `rule_sets` alone.
CREATE TABLE rule_files (
    digest   TEXT NOT NULL REFERENCES rule_sets (digest),
    name     TEXT NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (digest, name)
) WITHOUT ROWID;

CREATE TABLE rule_loads (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    cause    TEXT NOT NULL CHECK (cause IN ('start', 'reload', 'rollback')),
    -- taken: in force from then on. refused: what lay on disk was broken. restored: what was refused is gone from the disk,
    -- and what is in force lies there again
    outcome  TEXT NOT NULL CHECK (outcome IN ('taken', 'refused', 'restored')),
    -- of the rules that are in force from then on
    digest   TEXT NOT NULL REFERENCES rule_sets (digest),
    -- how many those are
    rules    INTEGER NOT NULL,
    -- what was wrong with what was refused, the first of it, as JSON; and how much more
    problems TEXT NOT NULL DEFAULT '[]',
    more     INTEGER NOT NULL DEFAULT 0
);

-- Counting what each set of rules decided reads this alone, not the traces.
CREATE INDEX decisions_by_rules ON decisions (rules_digest, runs);
