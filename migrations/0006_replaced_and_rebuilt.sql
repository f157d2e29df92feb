-- What was delivered and what was read is known by its bytes, not by clocks; a rebuild that was broken off is known; and
-- series whose images name several studies are.
--
-- `instances.digest` is XXH3-128 of the data set, and always was: the comment in 0001 names another sum.

-- The digest of the bytes that the row stands for. NULL: of none that are there (any more), so that the instance goes again.
ALTER TABLE outbox ADD COLUMN digest BLOB;
UPDATE outbox SET digest =
    (SELECT digest FROM instances WHERE instances.sop_instance = outbox.sop_instance
         AND (changed_at IS NULL OR changed_at < queued_at));

-- The digests of the selected images when the job was decided, in their order.
ALTER TABLE jobs ADD COLUMN inputs TEXT;
UPDATE jobs SET state = 'superseded', finished_at = due_at, reason = 'an image that it read was replaced meanwhile'
WHERE state IN ('queued', 'running')
    AND EXISTS (SELECT 1 FROM json_each(jobs.selected) JOIN instances ON instances.sop_instance = json_each.value
                WHERE instances.changed_at >= jobs.decided_at);
UPDATE jobs SET inputs =
    (SELECT group_concat(ifnull(hex(instances.digest), '-'), ' ' ORDER BY image.key)
     FROM json_each(jobs.selected) AS image LEFT JOIN instances ON instances.sop_instance = image.value)
WHERE state IN ('queued', 'running');

-- One row while the index does not hold all that was in the segments when it was begun. `lost`: it was begun because there
-- was none, so that nobody knows what was acknowledged; `asked`: by gantry reindex.
CREATE TABLE rebuilding (
    why TEXT NOT NULL CHECK (why IN ('lost', 'asked'))
);
INSERT INTO rebuilding SELECT 'lost' WHERE NOT EXISTS (SELECT 1 FROM segments);

-- Further studies that images of a series name. The series belongs to `series.study`, and these images to no decision.
CREATE TABLE other_studies (
    series TEXT NOT NULL,
    study  TEXT NOT NULL,
    PRIMARY KEY (series, study)
) WITHOUT ROWID;
CREATE INDEX other_studies_by_study ON other_studies (study);
INSERT INTO other_studies SELECT DISTINCT instances.series, instances.study
FROM instances JOIN series ON series.uid = instances.series WHERE instances.study <> series.study;
UPDATE series SET (instances, first_arrival, last_arrival) =
    (SELECT count(*), ifnull(min(arrival), series.first_arrival), ifnull(max(arrival), series.last_arrival)
     FROM instances WHERE instances.series = series.uid AND instances.study = series.study)
WHERE uid IN (SELECT series FROM other_studies);

-- The study that a series belonged to before the index is built anew.
ALTER TABLE reindexing ADD COLUMN study TEXT;

-- Holes that writes left of which nobody was told that they are kept: a power cut lets blocks come to the disk in any order.
CREATE TABLE holes (
    segment INTEGER NOT NULL,
    begins  INTEGER NOT NULL,
    -- where the next record begins
    ends    INTEGER NOT NULL,
    PRIMARY KEY (segment, begins)
) WITHOUT ROWID;
