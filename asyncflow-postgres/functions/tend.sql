-- What whoever passes does now and then.

-- Adds up counts, gives up keys and starts whose time is over and places of owners who have none to keep, makes divisions of shelves ahead
-- of time, and drops those whose time is over: a little at a time, and nothing where another does it. Returns the divisions that there are.
CREATE FUNCTION asyncflow.tend_1(p_now bigint, p_area integer, p_shelves smallint[]) RETURNS TABLE (shelf smallint, begins bigint, ends bigint)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET lock_timeout = '20ms'
AS $body$
DECLARE
    now_ bigint := asyncflow.now_1(p_now);
    gone bigint;
BEGIN
    IF pg_try_advisory_xact_lock(p_area, 0) THEN
        IF (SELECT count(*) FROM (SELECT FROM asyncflow.counts WHERE until IS NULL LIMIT 256) rows) = 256 THEN
            WITH gone AS (
                DELETE FROM asyncflow.counts WHERE ctid = ANY (ARRAY(SELECT ctid FROM asyncflow.counts LIMIT 100000 FOR UPDATE SKIP LOCKED))
                RETURNING *
            )
            INSERT INTO asyncflow.counts SELECT flow, until, sum(scheduled), sum(enqueued), sum(processing), sum(succeeded), sum(failed),
                sum(cancelled) FROM gone WHERE until > now_ OR until IS NULL GROUP BY flow, until;
        END IF;
        DELETE FROM asyncflow.keys WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM asyncflow.keys WHERE until <= now_ ORDER BY until LIMIT 10000 FOR UPDATE SKIP LOCKED));
        -- No index knows when they are paid, so that a start changes none: they are looked through once a minute, or while there are more.
        IF EXISTS (SELECT FROM asyncflow.rounds WHERE started <= now_ OR started > now_ + 60000000) THEN
            DELETE FROM asyncflow.started WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM asyncflow.started WHERE paid <= now_ LIMIT 10000 FOR UPDATE SKIP LOCKED));
            GET DIAGNOSTICS gone = ROW_COUNT;
            UPDATE asyncflow.rounds SET started = now_ + CASE WHEN gone < 10000 THEN 60000000 ELSE 0 END;
        END IF;
        PERFORM asyncflow.divide_1(now_, p_area, p_shelves);
        -- Last, as it locks a flow.
        IF EXISTS (SELECT FROM asyncflow.rounds WHERE owners <= now_ OR owners > now_ + 1000000) THEN
            PERFORM asyncflow.forget_owners_1(now_, p_area);
        END IF;
    END IF;
    RETURN QUERY SELECT d.shelf, d.begins, d.ends FROM asyncflow.divisions d;
END $body$;

-- Gives up the places of owners of whom no job waits, as one that comes is not put behind them: some of one flow each second, from where the
-- last look ended.
CREATE FUNCTION asyncflow.forget_owners_1(p_now bigint, p_area integer) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $body$
DECLARE
    r    asyncflow.rounds;
    next asyncflow.rounds;
    o    record;
    idle tid[] := '{}';
BEGIN
    SELECT * INTO r FROM asyncflow.rounds;
    next := r;
    SELECT flow INTO next.flow FROM asyncflow.owners WHERE (flow, unowned, owner) > (r.flow, r.unowned, r.owner)
        ORDER BY flow, unowned, owner LIMIT 1;
    IF NOT FOUND THEN
        UPDATE asyncflow.rounds SET flow = 0, unowned = false, owner = '' WHERE flow > 0;
        RETURN;
    END IF;
    FOR o IN SELECT ctid AS place, unowned, owner FROM asyncflow.owners
        WHERE flow = next.flow AND (flow, unowned, owner) > (r.flow, r.unowned, r.owner) ORDER BY flow, unowned, owner LIMIT 1000
    LOOP
        next.unowned := o.unowned;
        next.owner := o.owner;
        IF NOT asyncflow.waits_1(next.flow, CASE WHEN NOT o.unowned THEN o.owner END, NULL) THEN
            idle := idle || o.place;
        END IF;
    END LOOP;
    IF cardinality(idle) > 0 THEN
        BEGIN
            -- Nobody is given a place meanwhile, nor does a job begin to wait.
            PERFORM pg_advisory_xact_lock(p_area, next.flow);
            DELETE FROM asyncflow.owners w WHERE ctid = ANY (idle) AND flow = next.flow
                AND NOT asyncflow.waits_1(flow, CASE WHEN NOT unowned THEN owner END, NULL);
        EXCEPTION WHEN lock_not_available THEN
            -- Somebody is in the flow for long: the same ones again.
            next := r;
        END;
    END IF;
    UPDATE asyncflow.rounds SET owners = p_now + 1000000, flow = next.flow, unowned = next.unowned, owner = next.owner;
END $body$;

-- Makes divisions ahead of time, and drops those whose time is over.
CREATE FUNCTION asyncflow.divide_1(p_now bigint, p_area integer, p_shelves smallint[]) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    s      smallint;
    span   bigint;
    width  bigint;
    first  bigint;
    d      record;
BEGIN
    FOREACH s IN ARRAY p_shelves LOOP
        span := 375000000 * (2::bigint ^ (s - 1))::bigint;
        width := span / 8;
        first := coalesce((SELECT max(ends) FROM asyncflow.divisions v WHERE v.shelf = s), p_now - p_now % width);
        -- The one that is filled, and two more.
        first := greatest(first, p_now - p_now % width);
        WHILE first <= p_now + 2 * width LOOP
            PERFORM asyncflow.add_division_1(s, first, first + width);
            first := first + width;
        END LOOP;
    END LOOP;
    -- A minute more: the clock that made an id need not be this one.
    FOR d IN SELECT * FROM asyncflow.divisions v
        WHERE v.ends + 375000000 * (2::bigint ^ (v.shelf - 1))::bigint + 60000000 < p_now AND (v.again <= p_now OR v.again IS NULL)
        ORDER BY v.ends LIMIT 2
    LOOP
        PERFORM asyncflow.drop_division_1(p_now, d.shelf, d.begins);
    END LOOP;
END $body$;

-- The least id that is made at this time.
CREATE FUNCTION asyncflow.id_at_1(p_at bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $body$
    SELECT (lpad(to_hex(p_at / 1000), 12, '0') || repeat('0', 20))::uuid
$body$;

CREATE FUNCTION asyncflow.add_division_1(p_shelf smallint, p_begins bigint, p_ends bigint) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    shelf    text := 'ended_' || p_shelf;
    division text := shelf || '_' || p_begins;
BEGIN
    -- Made apart and then attached, for which nobody who reads need end.
    IF to_regclass(format('%I.%I', 'asyncflow', shelf)) IS NULL THEN
        EXECUTE format('CREATE TABLE %1$I.%2$I (LIKE %1$I.ended INCLUDING ALL) PARTITION BY RANGE (id)', 'asyncflow', shelf);
        EXECUTE format('ALTER TABLE %1$I.ended ATTACH PARTITION %1$I.%2$I FOR VALUES IN (%3$s)', 'asyncflow', shelf, p_shelf);
    END IF;
    EXECUTE format('CREATE TABLE %1$I.%2$I (LIKE %1$I.%3$I INCLUDING ALL)', 'asyncflow', division, shelf);
    EXECUTE format('ALTER TABLE %1$I.%2$I REPLICA IDENTITY FULL', 'asyncflow', division);
    EXECUTE format('ALTER TABLE %1$I.%3$I ATTACH PARTITION %1$I.%2$I FOR VALUES FROM (%4$L) TO (%5$L)', 'asyncflow', division, shelf,
        asyncflow.id_at_1(p_begins), asyncflow.id_at_1(p_ends));
    INSERT INTO asyncflow.divisions VALUES (p_shelf, p_begins, p_ends);
END $body$;

CREATE FUNCTION asyncflow.drop_division_1(p_now bigint, p_shelf smallint, p_begins bigint) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    EXECUTE format('LOCK TABLE %I.%I IN ACCESS EXCLUSIVE MODE', 'asyncflow', 'ended_' || p_shelf);
    EXECUTE format('DROP TABLE %I.%I', 'asyncflow', 'ended_' || p_shelf || '_' || p_begins);
    DELETE FROM asyncflow.divisions d WHERE d.shelf = p_shelf AND d.begins = p_begins;
EXCEPTION WHEN lock_not_available THEN
    -- Somebody reads there for long, and who comes after waits with us: so not again soon.
    UPDATE asyncflow.divisions d SET again = p_now + 60000000 WHERE d.shelf = p_shelf AND d.begins = p_begins;
END $body$;
