-- Tables are joined by `= ANY (ARRAY[…])`, or by a subquery with a limit: no index is then read from end to end, as one that was all but empty
-- when a plan was made might be.

-- What the functions of this version share. Functions carry the schema's version in their names, so that nodes of two versions can share a
-- database while they are rolled out.

-- A record, on its way.
CREATE TYPE asyncflow.record_1 AS (
    id uuid, version bigint, created bigint, due bigint, rank bigint, attempts bigint, failures bigint, flow integer, policy integer,
    flow_version integer, snoozes integer, format smallint, state smallint, mark smallint, priority smallint, crashes smallint,
    crashes_in_all smallint, shelf smallint, lease bigint, started bigint, ended bigint, token uuid, spacing bigint, lead bigint,
    owner text, limit_key text, unique_key text, progress text
);

-- What became of the `nth` entry of its `kind`.
CREATE TYPE asyncflow.answer_1 AS (
    kind smallint, nth integer, at bigint, id uuid, job asyncflow.record_1, content_type text, bytes bytea
);

-- The time: that of the caller's clock, where one has its own.
CREATE FUNCTION asyncflow.now_1(p_now bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $body$
    SELECT coalesce(p_now, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
$body$;

-- A time and a duration, stopping at the latest time.
CREATE FUNCTION asyncflow.after_1(p_now bigint, p_by bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $body$
    SELECT p_now + least(p_by, 9223372036854775807 - p_now)
$body$;

-- A time less what a priority is worth, stopping at the latest time.
CREATE FUNCTION asyncflow.before_1(p_now bigint, p_by bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $body$
    SELECT p_now - greatest(p_by, p_now - 9223372036854775807)
$body$;

-- A number within the range of stored ones.
CREATE FUNCTION asyncflow.bounded_1(p_number numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS $body$
    SELECT least(greatest(p_number, -9223372036854775808), 9223372036854775807)::bigint
$body$;

-- The shelf of a job whose id was made then and that goes then; 0 where that has no division for it. Shelf n holds what goes within
-- 375 s * 2^(n-1) of its making.
CREATE FUNCTION asyncflow.shelf_1(p_born bigint, p_due bigint, p_from bigint[], p_until bigint[]) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE AS $body$
DECLARE
    shelf integer;
BEGIN
    IF p_due > p_born + 187500000 THEN
        shelf := ceil(ln((p_due - p_born)::float8 / 375e6::float8) / ln(2::float8))::integer + 1;
        IF p_born >= p_from[shelf] AND p_born < p_until[shelf] THEN
            RETURN shelf;
        END IF;
    END IF;
    RETURN 0;
END $body$;

-- Until when a job is counted that goes from a shelf at this time: some 250th of its time longer, so that many are counted as one.
CREATE FUNCTION asyncflow.counted_1(p_shelf smallint, p_due bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $body$
    SELECT CASE WHEN p_shelf > 0 THEN (p_due / (1464844::bigint << (p_shelf - 1)) + 1) * (1464844::bigint << (p_shelf - 1)) END
$body$;

-- How many jobs of a flow wait, and how many run.
CREATE FUNCTION asyncflow.waiting_1(p_flow integer) RETURNS bigint LANGUAGE plpgsql AS $body$
BEGIN
    RETURN coalesce((SELECT sum(scheduled + enqueued) FROM asyncflow.counts WHERE flow = p_flow AND until IS NULL), 0);
END $body$;
CREATE FUNCTION asyncflow.running_1(p_flow integer) RETURNS bigint LANGUAGE plpgsql AS $body$
BEGIN
    RETURN coalesce((SELECT sum(processing) FROM asyncflow.counts WHERE flow = p_flow AND until IS NULL), 0);
END $body$;

-- Whether jobs of an owner wait in a flow, but for this one.
CREATE FUNCTION asyncflow.waits_1(p_flow integer, p_owner text, p_but uuid) RETURNS boolean LANGUAGE plpgsql AS $body$
BEGIN
    -- In two, so that each finds them by the index: others may have many.
    IF p_owner IS NULL THEN
        RETURN EXISTS (SELECT FROM asyncflow.jobs WHERE flow = p_flow AND owner IS NULL AND state < 2 AND spacing IS NOT NULL
            AND id IS DISTINCT FROM p_but);
    END IF;
    RETURN EXISTS (SELECT FROM asyncflow.jobs WHERE flow = p_flow AND owner = p_owner AND state < 2 AND id IS DISTINCT FROM p_but);
END $body$;

-- Gives a waiting job its place where owners take turns, if it is ready anew; returns its rank. Its flow is locked.
CREATE FUNCTION asyncflow.take_turn_1(p_id uuid, p_anew boolean) RETURNS bigint LANGUAGE plpgsql AS $body$
DECLARE
    j     asyncflow.jobs;
    line  bigint;
    last_ bigint;
    ready bigint;
BEGIN
    SELECT * INTO j FROM asyncflow.jobs WHERE id = p_id;
    IF NOT asyncflow.waits_1(j.flow, j.owner, j.id) THEN
        -- None of its owner's wait: it does not stand behind those.
        DELETE FROM asyncflow.owners WHERE flow = j.flow AND unowned = (j.owner IS NULL) AND owner = coalesce(j.owner, '');
    END IF;
    IF j.state <> 1 OR NOT p_anew THEN
        RETURN j.rank;
    END IF;
    ready := asyncflow.bounded_1(j.rank::numeric + j.lead);
    IF EXISTS (SELECT FROM asyncflow.jobs o WHERE o.flow = j.flow AND o.state = 1 AND o.id <> j.id) THEN
        line := coalesce((SELECT turn FROM asyncflow.turns WHERE flow = j.flow), 0);
    ELSE
        line := asyncflow.bounded_1(ready::numeric - j.spacing);
    END IF;
    SELECT last INTO last_ FROM asyncflow.owners
        WHERE flow = j.flow AND unowned = (j.owner IS NULL) AND owner = coalesce(j.owner, '');
    j.rank := asyncflow.bounded_1(asyncflow.bounded_1(greatest(line, last_)::numeric + j.spacing)::numeric - j.lead);
    ready := asyncflow.bounded_1(j.rank::numeric + j.lead);
    UPDATE asyncflow.jobs SET rank = j.rank WHERE id = p_id;
    INSERT INTO asyncflow.turns VALUES (j.flow, line) ON CONFLICT (flow) DO UPDATE SET turn = excluded.turn;
    INSERT INTO asyncflow.owners VALUES (j.flow, j.owner IS NULL, coalesce(j.owner, ''), ready)
        ON CONFLICT (flow, unowned, owner) DO UPDATE SET last = excluded.last;
    RETURN j.rank;
END $body$;
