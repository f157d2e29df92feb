-- What a rule changes in an instance on its way to the peer (JSON); NULL when it goes as it is.
ALTER TABLE outbox ADD COLUMN changes TEXT;
-- What was decided when a rule asked for it: 'series' or 'study'; NULL for a result.
ALTER TABLE outbox ADD COLUMN asked_on TEXT;
UPDATE outbox SET asked_on = 'series' WHERE job IS NULL;
