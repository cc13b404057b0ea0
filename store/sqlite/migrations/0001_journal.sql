-- The journal: experiments, their blocks, and the blocks' samples.
-- Times are UTC, to the nanosecond, in one width, so that they sort as text.

CREATE TABLE experiments (
    id      TEXT PRIMARY KEY,
    study   TEXT NOT NULL,
    digest  TEXT NOT NULL, -- of the plan
    started TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('running', 'done', 'interrupted', 'failed')),
    ended   TEXT,          -- null while it runs, and after a kill
    record  TEXT NOT NULL  -- JSON
) STRICT;

CREATE INDEX experiments_by_start ON experiments (started DESC, id DESC);

CREATE TABLE blocks (
    experiment     TEXT    NOT NULL REFERENCES experiments (id),
    block          INTEGER NOT NULL, -- its index in the plan
    attempt        INTEGER NOT NULL,
    id             TEXT    NOT NULL,
    started        TEXT    NOT NULL,
    void           TEXT    NOT NULL, -- why it does not count; empty: it counts
    record_sha256  TEXT    NOT NULL,
    samples_sha256 TEXT    NOT NULL, -- of samples.data
    record         TEXT    NOT NULL, -- JSON
    PRIMARY KEY (experiment, block, attempt)
) STRICT;

-- A block is the replicate: it counts once.
CREATE UNIQUE INDEX blocks_that_count ON blocks (experiment, block) WHERE void = '';

-- Samples stand apart, so that nothing that lists reads past them.
CREATE TABLE samples (
    experiment TEXT    NOT NULL,
    block      INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    data       BLOB    NOT NULL,
    PRIMARY KEY (experiment, block, attempt),
    FOREIGN KEY (experiment, block, attempt) REFERENCES blocks (experiment, block, attempt)
) STRICT;

CREATE TRIGGER blocks_stay BEFORE UPDATE ON blocks
BEGIN SELECT RAISE(ABORT, 'a kept block is never changed'); END;

CREATE TRIGGER samples_stay BEFORE UPDATE ON samples
BEGIN SELECT RAISE(ABORT, 'kept samples are never changed'); END;
