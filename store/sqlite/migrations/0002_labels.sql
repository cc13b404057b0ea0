-- What people say of experiments: baselines by name, notes, tags.

-- A name outlives its experiment: it then says that this is gone.
CREATE TABLE baselines (
    name       TEXT PRIMARY KEY,
    experiment TEXT NOT NULL,
    since      TEXT NOT NULL,
    why        TEXT NOT NULL
) STRICT;

CREATE TABLE notes (
    experiment TEXT PRIMARY KEY REFERENCES experiments (id) ON DELETE CASCADE,
    note       TEXT NOT NULL
) STRICT;

CREATE TABLE tags (
    experiment TEXT NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    tag        TEXT NOT NULL,
    PRIMARY KEY (experiment, tag)
) STRICT, WITHOUT ROWID;
