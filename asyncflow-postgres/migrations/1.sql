-- Times are microseconds since 1970, durations microseconds. States are 0 Scheduled, 1 Enqueued, 2 Processing, 3 Succeeded, 4 Failed,
-- 5 Cancelled; marks are 0 none, 1 cancel, 2 forget; progress, policies and settings are JSON.

-- The version of this schema: one row.
CREATE TABLE asyncflow.schema (
    one     boolean PRIMARY KEY CHECK (one),
    version integer NOT NULL
);

CREATE TABLE asyncflow.flows (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

-- Policies, once each. A digest is unique in their place: an index takes no text of any length.
CREATE TABLE asyncflow.policies (
    id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    policy text  NOT NULL
);

-- Records of jobs that have not ended: few, however old the store is. While a job is Processing it is due when its `lease` ends, which no
-- index knows, so that a heartbeat or a report changes none.
CREATE TABLE asyncflow.jobs (
    id             uuid     NOT NULL PRIMARY KEY,
    version        bigint   NOT NULL,
    created        bigint   NOT NULL,
    due            bigint   NOT NULL,
    rank           bigint   NOT NULL,
    attempts       bigint   NOT NULL DEFAULT 0,
    failures       bigint   NOT NULL DEFAULT 0,
    flow           integer  NOT NULL,
    policy         integer  NOT NULL,
    flow_version   integer  NOT NULL,
    snoozes        integer  NOT NULL DEFAULT 0,
    format         smallint NOT NULL,
    state          smallint NOT NULL,
    mark           smallint NOT NULL DEFAULT 0,
    priority       smallint NOT NULL,
    crashes        smallint NOT NULL DEFAULT 0,
    crashes_in_all smallint NOT NULL DEFAULT 0,
    -- Which of the shelves below an ended job stands on.
    shelf          smallint NOT NULL DEFAULT 0,
    lease          bigint,
    started        bigint,
    ended          bigint,
    token          uuid,
    -- Where owners take turns: how far apart theirs stand, and what the job's priority is worth.
    spacing        bigint,
    lead           bigint,
    owner          text COLLATE "C",
    limit_key      text COLLATE "C",
    unique_key     text COLLATE "C",
    progress       text,
    -- Its parts: what it was given, and what it gave. Postgres keeps long ones apart, and who reads a record names none.
    request_type   text,
    request        bytea,
    outcome_type   text,
    outcome        bytea
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);

-- The queue: of each version of a flow a line of jobs that count for no key of limits, and one of those that do; and these once more by
-- their keys, so that keys that have to wait are passed over.
CREATE INDEX ready ON asyncflow.jobs (flow, flow_version, (coalesce(limit_key, owner) IS NULL), rank, id) WHERE state = 1;
-- Its state is written in a way of its own: without statistics, what is looked up by key could be looked for in the other index, row by row.
CREATE INDEX ready_by_key ON asyncflow.jobs (flow, flow_version, (coalesce(limit_key, owner)), rank, id)
    WHERE state + 0 = 1 AND coalesce(limit_key, owner) IS NOT NULL;
-- Leases: few, so their ends are looked through.
CREATE INDEX held ON asyncflow.jobs (token) WHERE state = 2;
CREATE INDEX running_by_key ON asyncflow.jobs (flow, (coalesce(limit_key, owner)))
    WHERE state = 2 AND coalesce(limit_key, owner) IS NOT NULL;
CREATE INDEX due ON asyncflow.jobs (due) WHERE state < 2;
CREATE INDEX waiting_by_owner ON asyncflow.jobs (flow, owner)
    WHERE state < 2 AND (owner IS NOT NULL OR spacing IS NOT NULL);
-- Of each flow, owner and unique key one job lives.
CREATE UNIQUE INDEX live ON asyncflow.jobs (flow, (owner IS NULL), (coalesce(owner, '')), unique_key)
    WHERE unique_key IS NOT NULL AND state < 3 AND mark < 2;

-- Jobs that have ended, on shelves by how long after their making they are due to go. A shelf is divided by the time at which
-- ids were made; each division goes as a whole, once all in it are past their time, and none of them is read from its time on. On
-- shelf 0 is what is on no other: nodes purge that one by one.
CREATE TABLE asyncflow.ended (LIKE asyncflow.jobs INCLUDING DEFAULTS) PARTITION BY LIST (shelf);
CREATE INDEX ended_jobs ON asyncflow.ended (flow, id);
CREATE TABLE asyncflow.ended_0 PARTITION OF asyncflow.ended FOR VALUES IN (0);
CREATE INDEX ended_due ON asyncflow.ended_0 (due);
-- What has no primary key is told apart as a whole where all tables are published: what is changed or deleted would be refused otherwise.
ALTER TABLE asyncflow.ended_0 REPLICA IDENTITY FULL;

-- The divisions of shelves: which ids they are for, by the time at which those were made.
CREATE TABLE asyncflow.divisions (
    shelf  smallint NOT NULL,
    begins bigint   NOT NULL,
    ends   bigint   NOT NULL,
    -- When it is tried again to drop it, if somebody read there.
    again  bigint,
    PRIMARY KEY (shelf, begins)
);

-- How many jobs of a flow are in each state: the sum of its rows, but of those whose time is over. Who changes a number appends a row, and
-- waits for nobody. Jobs on shelves are counted `until` about when they go.
CREATE TABLE asyncflow.counts (
    flow       integer NOT NULL,
    until      bigint,
    scheduled  bigint  NOT NULL,
    enqueued   bigint  NOT NULL,
    processing bigint  NOT NULL,
    succeeded  bigint  NOT NULL,
    failed     bigint  NOT NULL,
    cancelled  bigint  NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE asyncflow.counts REPLICA IDENTITY FULL;
CREATE INDEX counts_by_flow ON asyncflow.counts (flow) WHERE until IS NULL;
CREATE INDEX counts_by_end ON asyncflow.counts (flow, until) WHERE until IS NOT NULL;

-- Idempotency keys. What has no owner has the empty one, and is `unowned`.
CREATE TABLE asyncflow.keys (
    flow        integer NOT NULL,
    unowned     boolean NOT NULL,
    owner       text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    job         uuid   NOT NULL,
    created     bigint NOT NULL,
    fingerprint uuid   NOT NULL,
    until       bigint NOT NULL,
    PRIMARY KEY (flow, unowned, owner, key)
);
CREATE INDEX keys_by_end ON asyncflow.keys (until);

-- Where owners take turns: the latest place of what was taken, and where the last one of each owner stands that became ready.
CREATE TABLE asyncflow.turns (
    flow integer PRIMARY KEY,
    turn bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE asyncflow.owners (
    flow    integer NOT NULL,
    unowned boolean NOT NULL,
    owner   text COLLATE "C" NOT NULL,
    last    bigint NOT NULL,
    PRIMARY KEY (flow, unowned, owner)
);

-- What rates know of jobs that started: when all are paid back, of a key or of the whole flow.
CREATE TABLE asyncflow.started (
    flow  integer NOT NULL,
    whole boolean NOT NULL,
    key   text COLLATE "C" NOT NULL,
    paid  bigint NOT NULL,
    PRIMARY KEY (flow, whole, key)
) WITH (fillfactor = 50);

-- When what is looked through now and then is due again, whichever node comes by: one row.
CREATE TABLE asyncflow.rounds (
    one     boolean PRIMARY KEY CHECK (one),
    started bigint NOT NULL,
    owners  bigint NOT NULL,
    -- The owner that was looked at last.
    flow    integer NOT NULL,
    unowned boolean NOT NULL,
    owner   text COLLATE "C" NOT NULL
);
INSERT INTO asyncflow.rounds VALUES (true, 0, 0, 0, false, '');

-- What is set for flows while nodes run: one row, or none where nothing was ever set.
CREATE TABLE asyncflow.settings (
    one      boolean PRIMARY KEY CHECK (one),
    version  bigint NOT NULL,
    settings text   NOT NULL
);
