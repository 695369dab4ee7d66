-- Flows, with what is counted of their jobs. `latest` is the latest time at which a count changed.
CREATE TABLE flows (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    latest     INTEGER NOT NULL,
    scheduled  INTEGER NOT NULL DEFAULT 0,
    enqueued   INTEGER NOT NULL DEFAULT 0,
    processing INTEGER NOT NULL DEFAULT 0,
    succeeded  INTEGER NOT NULL DEFAULT 0,
    failed     INTEGER NOT NULL DEFAULT 0,
    cancelled  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Owners that have waiting jobs, and how many.
CREATE TABLE owners (
    flow    INTEGER NOT NULL,
    owner   TEXT    NOT NULL,
    waiting INTEGER NOT NULL,
    PRIMARY KEY (flow, owner)
) STRICT, WITHOUT ROWID;

-- Policies, as JSON, once each.
CREATE TABLE policies (
    id     INTEGER PRIMARY KEY,
    policy TEXT    NOT NULL UNIQUE
) STRICT;

-- Records. Times are microseconds since 1970; ids and tokens are 16 bytes, the highest first; states are 0 Scheduled, 1 Enqueued,
-- 2 Processing, 3 Succeeded, 4 Failed, 5 Cancelled; marks are 0 none, 1 cancel, 2 forget; progress is JSON.
CREATE TABLE jobs (
    flow           INTEGER NOT NULL,
    id             BLOB    NOT NULL,
    format         INTEGER NOT NULL,
    flow_version   INTEGER NOT NULL,
    state          INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    created        INTEGER NOT NULL,
    started        INTEGER,
    ended          INTEGER,
    due            INTEGER NOT NULL,
    rank           INTEGER NOT NULL,
    priority       INTEGER NOT NULL,
    token          BLOB,
    mark           INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    crashes        INTEGER NOT NULL,
    crashes_in_all INTEGER NOT NULL,
    snoozes        INTEGER NOT NULL,
    owner          TEXT,
    policy         INTEGER NOT NULL,
    progress       TEXT,
    PRIMARY KEY (flow, id)
) STRICT, WITHOUT ROWID;

-- The queue.
CREATE INDEX ready ON jobs (flow, flow_version, rank, id) WHERE state = 1;
-- Leases: few, so their ends are looked through, and a heartbeat touches no index.
CREATE INDEX held ON jobs (token) WHERE state = 2;
CREATE INDEX due ON jobs (due) WHERE state <> 2;

-- What jobs were given (0) and gave (1).
CREATE TABLE parts (
    flow         INTEGER NOT NULL,
    id           BLOB    NOT NULL,
    name         INTEGER NOT NULL,
    content_type TEXT    NOT NULL,
    bytes        BLOB    NOT NULL,
    PRIMARY KEY (flow, id, name)
) STRICT, WITHOUT ROWID;

-- Idempotency keys. Where there is no owner, it is the number 0.
CREATE TABLE keys (
    id          INTEGER PRIMARY KEY,
    flow        INTEGER NOT NULL,
    owner       ANY     NOT NULL,
    key         TEXT    NOT NULL,
    job         BLOB    NOT NULL,
    created     INTEGER NOT NULL,
    fingerprint BLOB    NOT NULL,
    until       INTEGER NOT NULL,
    UNIQUE (flow, owner, key)
) STRICT;

CREATE INDEX keys_by_end ON keys (until);
