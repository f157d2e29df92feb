-- Where the running node found its peers, for who looks: nothing is delivered by it, and a start asks anew.

CREATE TABLE peer_addresses (
    peer     TEXT PRIMARY KEY,
    -- Hosts with addresses, priority and weight, as JSON; empty: not found.
    servers  TEXT NOT NULL,
    -- Which record, asked of whom.
    source   TEXT NOT NULL,
    answered INTEGER,
    -- Until when the name servers vouch for it.
    until    INTEGER,
    -- The last one, though it may be over.
    fault    TEXT,
    fault_at INTEGER
);
