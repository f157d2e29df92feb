-- What the headers of the images of a series have in common is kept once.

CREATE TABLE bases (
    id     INTEGER PRIMARY KEY,
    series TEXT NOT NULL,
    -- a whole header, as in `instances`
    header TEXT NOT NULL
);
CREATE INDEX bases_by_series ON bases (series);

-- The base that `header` is laid over: it then holds the attributes that differ, and null for those that the image does not
-- have. NULL: the header stands for itself.
ALTER TABLE instances ADD COLUMN base INTEGER;
