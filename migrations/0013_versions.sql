-- Versions of a model: which is live, which runs beside it, and what was asked for when and by whom. Like decisions, these
-- rows outlive a rebuilt index.

CREATE TABLE model_changes (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    -- as rules call it
    model     TEXT NOT NULL,
    change    TEXT NOT NULL CHECK (change IN ('promote', 'shadow', 'canary', 'rollback')),
    -- versions as their manifests name them: live until then, and what is to be from then on
    before    TEXT NOT NULL,
    live      TEXT NOT NULL,
    candidate TEXT,
    -- of the series, from 0 to 1, that the candidate gets in the place of the live version; NULL: it runs beside it
    share     REAL CHECK (share IS NULL OR candidate IS NOT NULL),
    asked_by  TEXT NOT NULL,
    why       TEXT NOT NULL,
    -- asked: no node has taken it yet. refused: the node tried it, and what was before stays
    state     TEXT NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'taken', 'refused')),
    ended_at  INTEGER,
    reason    TEXT
);
CREATE INDEX model_changes_by_model ON model_changes (model, id);
CREATE INDEX model_changes_asked ON model_changes (id) WHERE state = 'asked';

-- What the job is pinned to beside the graph's digest; NULL where that was not noted yet.
ALTER TABLE jobs ADD COLUMN version TEXT;
ALTER TABLE jobs ADD COLUMN manifest_digest TEXT;
-- canary: by the candidate, in the place of the live version. shadow: by the candidate, beside the job `beside`
ALTER TABLE jobs ADD COLUMN role TEXT NOT NULL DEFAULT 'live' CHECK (role IN ('live', 'canary', 'shadow'));
ALTER TABLE jobs ADD COLUMN beside INTEGER REFERENCES jobs (id);
-- the most bytes that processes of the model had taken when the job ended
ALTER TABLE jobs ADD COLUMN peak INTEGER;
-- of a shadow: how far each mask is that of the live version, by its key, as JSON
ALTER TABLE jobs ADD COLUMN overlap TEXT;
-- what the candidate failed with, where the live version runs in its place since
ALTER TABLE jobs ADD COLUMN candidate_failed TEXT;
CREATE INDEX jobs_beside ON jobs (beside) WHERE beside IS NOT NULL;

-- Shadows are counted apart.
DROP INDEX jobs_counts;
CREATE INDEX jobs_counts ON jobs (model, state, role);
DROP INDEX jobs_trouble;
CREATE INDEX jobs_trouble ON jobs (model, id)
    WHERE state IN ('failed', 'queued') AND reason IS NOT NULL AND role <> 'shadow';

-- The masks of a live job, run by run, until its shadow has been compared with them.
CREATE TABLE kept_masks (
    job    INTEGER NOT NULL REFERENCES jobs (id),
    key    TEXT NOT NULL,
    voxels INTEGER NOT NULL,
    runs   BLOB NOT NULL,
    PRIMARY KEY (job, key)
) WITHOUT ROWID;
