-- What the rules that forward images as they arrive said of each: once for each image, in the transaction with its
-- deliveries. Refers to instances by UID alone, and so outlives a rebuilt index: nothing is judged or sent anew by it.
CREATE TABLE arrivals (
    sop_instance TEXT PRIMARY KEY,
    rules_digest TEXT NOT NULL REFERENCES rule_sets (digest),
    -- [{"rule": .., "runs": .., "reason": ..}, ..] in the order of the rules
    verdicts     TEXT NOT NULL,
    at           INTEGER NOT NULL
) WITHOUT ROWID;
