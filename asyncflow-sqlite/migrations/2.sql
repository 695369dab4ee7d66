-- What claims have to respect: limits of a flow and of each key, turns of owners, the one job that lives of a key, and what is set while
-- nodes run.

-- Which key's limits a job counts for, where it is not its owner's; under which it is the one that lives.
ALTER TABLE jobs ADD COLUMN limit_key TEXT;
ALTER TABLE jobs ADD COLUMN unique_key TEXT;

-- The queue: jobs that count for no key in one line; those that do in another, and once more by their keys, so that keys that have to wait
-- are passed over.
DROP INDEX ready;
CREATE INDEX ready ON jobs (flow, flow_version, rank, id) WHERE state = 1 AND limit_key IS NULL AND owner IS NULL;
CREATE INDEX ready_keyed ON jobs (flow, flow_version, rank, id) WHERE state = 1 AND coalesce(limit_key, owner) IS NOT NULL;
CREATE INDEX ready_by_key ON jobs (flow, flow_version, coalesce(limit_key, owner), rank, id)
    WHERE state = 1 AND coalesce(limit_key, owner) IS NOT NULL;

-- Of each flow, owner (0 where there is none) and unique key one job lives.
CREATE UNIQUE INDEX live ON jobs (flow, coalesce(owner, 0), unique_key)
    WHERE unique_key IS NOT NULL AND state < 3 AND mark < 2;

-- How many ready jobs count for a key; the latest place of what was taken, where owners take turns.
ALTER TABLE flows ADD COLUMN keyed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE flows ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
UPDATE flows SET keyed = (SELECT count(*) FROM jobs WHERE flow = flows.id AND state = 1 AND owner IS NOT NULL);

-- Owners that have waiting jobs, how many, and where the last one that became ready stands, where owners take turns. Where there is no
-- owner, it is the number 0.
ALTER TABLE owners RENAME TO owners_1;
CREATE TABLE owners (
    flow    INTEGER NOT NULL,
    owner   ANY     NOT NULL,
    waiting INTEGER NOT NULL,
    last    INTEGER,
    PRIMARY KEY (flow, owner)
) STRICT, WITHOUT ROWID;
INSERT INTO owners (flow, owner, waiting) SELECT flow, owner, waiting FROM owners_1;
DROP TABLE owners_1;

-- Keys that have running jobs, and how many.
CREATE TABLE running (
    flow INTEGER NOT NULL,
    key  TEXT    NOT NULL,
    jobs INTEGER NOT NULL,
    PRIMARY KEY (flow, key)
) STRICT, WITHOUT ROWID;
INSERT INTO running (flow, key, jobs)
    SELECT flow, owner, count(*) FROM jobs WHERE state = 2 AND owner IS NOT NULL GROUP BY flow, owner;

-- What rates know of jobs that started: when all are paid back, of a key, or of the flow, whose key is the number 0.
CREATE TABLE started (
    id   INTEGER PRIMARY KEY,
    flow INTEGER NOT NULL,
    key  ANY     NOT NULL,
    paid INTEGER NOT NULL,
    UNIQUE (flow, key)
) STRICT;

CREATE INDEX started_by_end ON started (paid);

-- What is set for flows while nodes run, as JSON: one row, or none where nothing was ever set.
CREATE TABLE settings (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    version  INTEGER NOT NULL,
    settings TEXT    NOT NULL
) STRICT;
