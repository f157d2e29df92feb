-- What left here without its patient, and under which names: written before it leaves, and kept when the images are evicted, so
-- that an admin can tell what is what and results that come back find home. Outlives a rebuilt index.
CREATE TABLE pseudonyms (
    id        INTEGER PRIMARY KEY,
    profile   TEXT NOT NULL,
    kind      TEXT NOT NULL
        CHECK (kind IN ('study', 'series', 'instance', 'UID', 'patient', 'accession number', 'specimen')),
    pseudonym TEXT NOT NULL,
    original  TEXT NOT NULL,
    -- when it left with an object first, and (to the day) last
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    UNIQUE (pseudonym, profile)
);
CREATE INDEX pseudonyms_original ON pseudonyms (original);
CREATE INDEX pseudonyms_last ON pseudonyms (profile, last_at);

CREATE TABLE deidentified_studies (
    profile    TEXT NOT NULL,
    -- its Study Instance UID outside and here, and its Patient ID outside
    pseudonym  TEXT NOT NULL,
    study      TEXT NOT NULL,
    patient    TEXT NOT NULL,
    -- by which its dates went back
    days       INTEGER NOT NULL,
    -- {"1048592": "Doe^Jane", ..}: attributes of patient and study as they are here, by their tags
    attributes TEXT NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    PRIMARY KEY (pseudonym, profile)
) WITHOUT ROWID;
CREATE INDEX deidentified_studies_last ON deidentified_studies (profile, last_at);
