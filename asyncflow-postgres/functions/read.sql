-- What is read. A status never touches a part.

CREATE FUNCTION asyncflow.get_1(p_now bigint, p_flow integer[], p_id uuid[]) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $body$
DECLARE
    known bigint;
BEGIN
    RETURN QUERY SELECT 9::smallint, c.nth::integer, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts,
        j.failures, j.flow, j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all, j.shelf,
        j.lease, j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, j.progress)::asyncflow.record_1,
        NULL::text, NULL::bytea
    FROM unnest(p_flow, p_id) WITH ORDINALITY c (flow, id, nth) JOIN asyncflow.jobs j
        ON j.id = ANY (ARRAY[c.id]) AND j.flow = c.flow;
    GET DIAGNOSTICS known = ROW_COUNT;
    IF known < cardinality(p_id) THEN
        -- Those that are found here too have ended since: the caller takes what comes last.
        RETURN QUERY SELECT 9::smallint, c.nth::integer, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts,
            j.failures, j.flow, j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all,
            j.shelf, j.lease, j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key,
            j.progress)::asyncflow.record_1, NULL::text, NULL::bytea
        FROM unnest(p_flow, p_id) WITH ORDINALITY c (flow, id, nth), LATERAL (
            SELECT * FROM asyncflow.ended e WHERE e.flow = c.flow AND e.id = c.id AND (e.shelf = 0 OR e.due > asyncflow.now_1(p_now)) LIMIT 1
        ) j;
    END IF;
END $body$;

CREATE FUNCTION asyncflow.part_1(p_now bigint, p_flow integer, p_id uuid, p_name smallint) RETURNS TABLE (type text, content bytea)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $body$
BEGIN
    RETURN QUERY SELECT p.type, p.content FROM asyncflow.jobs j,
            LATERAL (VALUES (0, j.request_type, j.request), (1, j.outcome_type, j.outcome)) p (name, type, content)
        WHERE j.id = p_id AND j.flow = p_flow AND p.name = p_name AND p.type IS NOT NULL;
    IF NOT FOUND THEN
        RETURN QUERY SELECT p.type, p.content FROM asyncflow.ended j,
                LATERAL (VALUES (0, j.request_type, j.request), (1, j.outcome_type, j.outcome)) p (name, type, content)
            WHERE j.flow = p_flow AND j.id = p_id AND (j.shelf = 0 OR j.due > asyncflow.now_1(p_now)) AND p.name = p_name
                AND p.type IS NOT NULL LIMIT 1;
    END IF;
END $body$;

-- Records that are due, of each kind at most so many; and what is set for the flows, if it is not of this version.
CREATE FUNCTION asyncflow.due_1(p_now bigint, p_limit bigint, p_settings bigint) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $body$
DECLARE
    now_ bigint := asyncflow.now_1(p_now);
BEGIN
    RETURN QUERY SELECT 9::smallint, 0, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts,
        j.failures, j.flow, j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all, j.shelf,
        j.lease, j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, j.progress)::asyncflow.record_1,
        NULL::text, NULL::bytea
    FROM (SELECT * FROM asyncflow.jobs WHERE state < 2 AND due <= now_ ORDER BY due LIMIT p_limit) j;
    RETURN QUERY SELECT 9::smallint, 0, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts,
        j.failures, j.flow, j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all, j.shelf,
        j.lease, j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, j.progress)::asyncflow.record_1,
        NULL::text, NULL::bytea
    FROM (SELECT * FROM asyncflow.jobs WHERE state = 2 AND lease <= now_ ORDER BY lease LIMIT p_limit) j;
    RETURN QUERY SELECT 9::smallint, 0, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts,
        j.failures, j.flow, j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all, j.shelf,
        j.lease, j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, j.progress)::asyncflow.record_1,
        NULL::text, NULL::bytea
    FROM (SELECT * FROM asyncflow.ended WHERE shelf = 0 AND due <= now_ ORDER BY due LIMIT p_limit) j;
    -- Where none are there any more, a failover has lost them: then none are set.
    RETURN QUERY SELECT 12::smallint, 0, s.version, NULL::uuid, NULL::asyncflow.record_1, s.settings, NULL::bytea
    FROM (VALUES (true)) v (one) LEFT JOIN asyncflow.settings s ON s.one = v.one WHERE coalesce(s.version, 0) <> p_settings;
END $body$;

-- A page of records of a flow that are not to be forgotten.
CREATE FUNCTION asyncflow.list_1(p_now bigint, p_flow integer, p_state smallint, p_owner text, p_first uuid, p_limit bigint)
RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $body$
BEGIN
    RETURN QUERY SELECT 9::smallint, 0, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts,
        j.failures, j.flow, j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all, j.shelf,
        j.lease, j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, j.progress)::asyncflow.record_1,
        NULL::text, NULL::bytea
    FROM (
        (SELECT * FROM asyncflow.jobs WHERE flow = p_flow AND id >= p_first AND mark < 2 AND (p_state IS NULL OR state = p_state)
            AND (p_owner IS NULL OR owner = p_owner) ORDER BY id LIMIT p_limit)
        UNION ALL
        (SELECT * FROM asyncflow.ended WHERE flow = p_flow AND id >= p_first AND mark < 2 AND (p_state IS NULL OR state = p_state)
            AND (p_owner IS NULL OR owner = p_owner) AND (shelf = 0 OR due > asyncflow.now_1(p_now)) ORDER BY id LIMIT p_limit)
        ORDER BY id LIMIT p_limit
    ) j;
END $body$;

CREATE FUNCTION asyncflow.counts_1(
    p_now bigint, p_flow integer, OUT scheduled bigint, OUT enqueued bigint, OUT processing bigint, OUT succeeded bigint, OUT failed bigint,
    OUT cancelled bigint, OUT oldest bigint
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $body$
DECLARE
    now_ bigint := asyncflow.now_1(p_now);
BEGIN
    -- What goes at a time is of jobs that have ended.
    SELECT a.scheduled, a.enqueued, a.processing, coalesce(a.succeeded, 0) + coalesce(e.succeeded, 0),
        coalesce(a.failed, 0) + coalesce(e.failed, 0), coalesce(a.cancelled, 0) + coalesce(e.cancelled, 0)
    INTO scheduled, enqueued, processing, succeeded, failed, cancelled FROM (
        SELECT sum(c.scheduled) AS scheduled, sum(c.enqueued) AS enqueued, sum(c.processing) AS processing, sum(c.succeeded) AS succeeded,
            sum(c.failed) AS failed, sum(c.cancelled) AS cancelled
        FROM asyncflow.counts c WHERE flow = p_flow AND until IS NULL
    ) a, (
        SELECT sum(c.succeeded) AS succeeded, sum(c.failed) AS failed, sum(c.cancelled) AS cancelled
        FROM asyncflow.counts c WHERE flow = p_flow AND until > now_
    ) e;
    -- The first of each version of the flow, which are found one after the other.
    WITH RECURSIVE versions (one) AS (
        SELECT min(flow_version) FROM asyncflow.jobs WHERE flow = p_flow AND state = 1
        UNION ALL
        SELECT (SELECT min(flow_version) FROM asyncflow.jobs WHERE flow = p_flow AND state = 1 AND flow_version > one)
        FROM versions WHERE one IS NOT NULL
    )
    SELECT first.created INTO oldest FROM versions v, (VALUES (true), (false)) l (keyless), LATERAL (
        SELECT rank, id, created FROM asyncflow.jobs WHERE flow = p_flow AND flow_version = v.one
            AND (coalesce(limit_key, owner) IS NULL) = l.keyless AND state = 1 ORDER BY rank, id LIMIT 1
    ) first ORDER BY first.rank, first.id LIMIT 1;
END $body$;

-- Sets what is set for flows, if it follows what is set.
CREATE FUNCTION asyncflow.put_settings_1(p_version bigint, p_settings text) RETURNS boolean LANGUAGE plpgsql AS $body$
BEGIN
    IF p_version = 1 THEN
        INSERT INTO asyncflow.settings VALUES (true, 1, p_settings) ON CONFLICT DO NOTHING;
    ELSE
        UPDATE asyncflow.settings SET version = p_version, settings = p_settings WHERE version = p_version - 1;
    END IF;
    RETURN FOUND;
END $body$;
