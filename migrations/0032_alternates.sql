-- A report lies here in further SOP classes, for peers that do not take the first: what is offered in the place of what.

CREATE TABLE alternates (
    alternate  TEXT PRIMARY KEY,
    -- the result that it is equal to, and its turn among those that are, from 1 on
    instead_of TEXT NOT NULL,
    turn       INTEGER NOT NULL,
    UNIQUE (instead_of, turn)
) WITHOUT ROWID;

-- While sop_instance is an alternate: the result that the delivery is of, and what the peer said of those before.
ALTER TABLE outbox ADD COLUMN instead_of TEXT;
ALTER TABLE outbox ADD COLUMN instead_why TEXT;
-- The result goes to each peer once, as itself or as an alternate.
CREATE UNIQUE INDEX outbox_instead ON outbox (instead_of, peer) WHERE instead_of IS NOT NULL;
