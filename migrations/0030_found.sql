-- Peers without storage commitment are asked by C-FIND whether they have what they took.

-- How it is known that the peer has it: it promised to keep it, or it found it.
ALTER TABLE proofs ADD COLUMN proven_by TEXT CHECK (proven_by IN ('commitment', 'find'));
UPDATE proofs SET proven_by = 'commitment' WHERE state = 'proven';
-- How often it was not found since the peer took it last.
ALTER TABLE proofs ADD COLUMN not_found INTEGER NOT NULL DEFAULT 0;
