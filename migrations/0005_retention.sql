-- Retention: how old what a segment holds is, and whether its file was taken away.

-- The least and the greatest arrival of the records that were indexed.
ALTER TABLE segments ADD COLUMN oldest_arrival INTEGER;
ALTER TABLE segments ADD COLUMN newest_arrival INTEGER;
-- From then on the file may go. The rows of its instances stay, so that they can be told of. NULL while it is kept.
ALTER TABLE segments ADD COLUMN evicted_at INTEGER;

UPDATE segments SET
    oldest_arrival = (SELECT min(arrival) FROM instances WHERE segment = segments.number),
    newest_arrival = (SELECT max(arrival) FROM instances WHERE segment = segments.number);
