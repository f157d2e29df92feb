-- By which the keys are known again that pseudonyms were made with, the last one being in force; no key can be made of it.
CREATE TABLE deidentification_keys (
    id          INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    at          INTEGER NOT NULL,
    -- who took it, where it was another than before
    by          TEXT
);
