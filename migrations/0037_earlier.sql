-- The earlier revision whose results those of the job take the place of, with the documents among them; 'null' where there
-- was none, NULL until the job composes.
ALTER TABLE jobs ADD COLUMN earlier TEXT;
