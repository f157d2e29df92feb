-- Whether an admin has it sent whatever the peer says of its study and patient.
ALTER TABLE outbox ADD COLUMN as_it_is INTEGER NOT NULL DEFAULT 0;
