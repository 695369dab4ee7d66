-- Changes: one a job at most.

-- Changes records, whoever's turn it is. A job that ends goes from `jobs` to `ended`.
CREATE FUNCTION asyncflow.apply_1(
    p_now bigint, p_from bigint[], p_until bigint[],
    p_id uuid[], p_flow integer[], p_born bigint[],
    p_guard smallint[], p_version bigint[], p_token uuid[], p_started bigint[], p_knows smallint[], p_seen bigint[],
    p_to smallint[], p_due bigint[], p_youngest boolean[], p_lead bigint[], p_mark smallint[],
    p_attempts bigint[], p_failures bigint[], p_crashes smallint[], p_crashes_in_all smallint[], p_snoozes integer[],
    p_reports boolean[], p_progress text[], p_parts smallint[], p_type text[], p_bytes bytea[], p_quiet boolean[], p_purge boolean[]
) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql AS $body$
DECLARE
    now_   bigint;
    known  bigint;
    newest smallint;
BEGIN
    -- In one order, whatever the order asked, so that no two batches wait for each other.
    SELECT count(*), max(format) INTO known, newest
        FROM (SELECT format FROM asyncflow.jobs WHERE id = ANY (p_id) ORDER BY id FOR UPDATE) locked;
    IF known < cardinality(p_id) THEN
        PERFORM asyncflow.bring_back_1(p_now, p_id, p_flow);
        SELECT max(format) INTO newest FROM asyncflow.jobs WHERE id = ANY (p_id);
    END IF;
    IF newest > 1 THEN
        PERFORM asyncflow.readable_1(p_id);
    END IF;
    now_ := asyncflow.now_1(p_now);
    RETURN QUERY WITH
    c AS MATERIALIZED (
        SELECT c.*, j.version AS is_version, j.created, j.rank, j.attempts AS had_attempts, j.failures AS had_failures, j.policy,
            j.flow_version, j.snoozes AS had_snoozes, j.format, j.state, j.mark AS had_mark, j.priority, j.crashes AS had_crashes,
            j.crashes_in_all AS had_crashes_in_all, j.started AS is_started, j.ended, j.token AS is_token, j.spacing,
            j.lead AS worth, j.owner, j.limit_key, j.unique_key, j.progress AS had_progress, j.request_type, j.request,
            j.outcome_type, j.outcome, j.due AS stored_due, j.lease AS stored_lease, CASE j.state WHEN 2 THEN j.lease ELSE j.due END AS is_due,
            CASE c.guard
                WHEN 0 THEN j.version = c.version
                WHEN 1 THEN j.state = 2 AND j.token = c.token AND j.started IS NOT DISTINCT FROM c.started AND j.mark <= c.knows
                ELSE j.version = c.version AND CASE j.state WHEN 2 THEN j.lease ELSE j.due END = c.seen AND c.seen <= now_
            END AS fits
        FROM unnest(p_id, p_flow, p_born, p_guard, p_version, p_token, p_started, p_knows, p_seen, p_to, p_due, p_youngest, p_lead,
            p_mark, p_attempts, p_failures, p_crashes, p_crashes_in_all, p_snoozes, p_reports, p_progress, p_parts, p_type, p_bytes,
            p_quiet, p_purge) WITH ORDINALITY
            AS c (id, flow, born, guard, version, token, started, knows, seen, "to", due, youngest, lead, mark, attempts, failures,
                crashes, crashes_in_all, snoozes, reports, progress, parts, type, bytes, quiet, purge, nth)
        JOIN asyncflow.jobs j ON j.id = ANY (ARRAY[c.id]) AND j.flow = c.flow
    ),
    -- The records as they are afterwards.
    timed AS (
        SELECT *, coalesce("to", state) AS is_state,
            CASE WHEN due IS NULL THEN is_due
                WHEN youngest THEN greatest(asyncflow.after_1(now_, due), asyncflow.after_1(created, 60000000))
                ELSE asyncflow.after_1(now_, due) END AS next_due
        FROM c WHERE fits
    ),
    a AS MATERIALIZED (
        SELECT nth::integer AS nth, purge, state AS was, id, is_version + CASE WHEN quiet THEN 0 ELSE 1 END AS version,
            created, CASE is_state WHEN 2 THEN stored_due ELSE next_due END AS due,
            CASE WHEN lead IS NULL THEN rank ELSE asyncflow.before_1(now_, lead) END AS rank,
            coalesce(attempts, had_attempts) AS attempts, coalesce(failures, had_failures) AS failures, flow, policy, flow_version,
            coalesce(snoozes, had_snoozes) AS snoozes, format, is_state AS state, coalesce(mark, had_mark) AS mark, priority,
            coalesce(crashes, had_crashes) AS crashes, coalesce(crashes_in_all, had_crashes_in_all) AS crashes_in_all,
            CASE WHEN is_state > 2 THEN asyncflow.shelf_1(born, next_due, p_from, p_until) ELSE 0 END::smallint AS shelf,
            CASE is_state WHEN 2 THEN next_due END AS lease, CASE "to" WHEN 2 THEN now_ ELSE is_started END AS started,
            CASE WHEN "to" > 2 THEN now_ ELSE ended END AS ended, CASE WHEN "to" IS NULL THEN is_token END AS token, spacing,
            worth AS lead, owner, limit_key, unique_key, CASE WHEN reports THEN progress ELSE had_progress END AS progress,
            CASE WHEN parts IN (0, 2) THEN request_type END AS request_type, CASE WHEN parts IN (0, 2) THEN request END AS request,
            CASE parts WHEN 0 THEN outcome_type WHEN 3 THEN NULL ELSE type END AS outcome_type,
            CASE parts WHEN 0 THEN outcome WHEN 3 THEN NULL ELSE bytes END AS outcome
        FROM timed
    ),
    gone AS (
        DELETE FROM asyncflow.jobs j USING a WHERE j.id = ANY (ARRAY[a.id]) AND (a.purge OR a.state > 2)
    ),
    kept AS (
        UPDATE asyncflow.jobs j SET version = a.version, due = a.due, rank = a.rank, attempts = a.attempts, failures = a.failures,
            snoozes = a.snoozes, state = a.state, mark = a.mark, crashes = a.crashes, crashes_in_all = a.crashes_in_all, lease = a.lease,
            started = a.started, ended = a.ended, token = a.token, progress = a.progress, request_type = a.request_type,
            request = a.request, outcome_type = a.outcome_type, outcome = a.outcome
        FROM a WHERE j.id = ANY (ARRAY[a.id]) AND NOT a.purge AND a.state < 3
    ),
    filed AS (
        INSERT INTO asyncflow.ended (id, version, created, due, rank, attempts, failures, flow, policy, flow_version, snoozes, format,
            state, mark, priority, crashes, crashes_in_all, shelf, started, ended, spacing, lead, owner, limit_key, unique_key, progress,
            request_type, request, outcome_type, outcome)
        SELECT id, version, created, due, rank, attempts, failures, flow, policy, flow_version, snoozes, format, state, mark, priority,
            crashes, crashes_in_all, shelf, started, ended, spacing, lead, owner, limit_key, unique_key, progress, request_type, request,
            outcome_type, outcome
        FROM a WHERE NOT purge AND state > 2
    ),
    counted AS (
        INSERT INTO asyncflow.counts
        SELECT flow, until, coalesce(sum(n) FILTER (WHERE state = 0), 0),
            coalesce(sum(n) FILTER (WHERE state = 1), 0),
            coalesce(sum(n) FILTER (WHERE state = 2), 0),
            coalesce(sum(n) FILTER (WHERE state = 3), 0),
            coalesce(sum(n) FILTER (WHERE state = 4), 0),
            coalesce(sum(n) FILTER (WHERE state = 5), 0)
        FROM (
            SELECT flow, NULL::bigint AS until, was AS state, -1 AS n FROM a WHERE purge OR was <> state OR state > 2
            UNION ALL SELECT flow, asyncflow.counted_1(shelf, due), state, 1 FROM a WHERE NOT purge AND (was <> state OR state > 2)
        ) moved GROUP BY flow, until
    )
    SELECT 10::smallint, nth, 0::bigint, id, ROW(id, version, created, due, rank, attempts, failures, flow, policy, flow_version, snoozes,
        format, state, mark, priority, crashes, crashes_in_all, shelf, lease, started, ended, token, spacing, lead, owner, limit_key,
        unique_key, progress)::asyncflow.record_1, NULL::text, NULL::bytea
    FROM a WHERE NOT purge
    UNION ALL
    SELECT CASE WHEN fits THEN 10 ELSE 11 END::smallint, nth::integer, 0, id, ROW(id, is_version, created, stored_due, rank, had_attempts,
        had_failures, flow, policy, flow_version, had_snoozes, format, state, had_mark, priority, had_crashes, had_crashes_in_all, 0,
        stored_lease, is_started, ended, is_token, spacing, worth, owner, limit_key, unique_key, had_progress)::asyncflow.record_1,
        NULL, NULL
    FROM c WHERE purge OR fits IS NOT TRUE;
    IF known < cardinality(p_id) THEN
        PERFORM asyncflow.put_away_1(p_from, p_until, p_id, p_born);
    END IF;
END $body$;

-- Brings jobs that have ended back among the others, so that they are changed like those. What was asked at the same time waits.
CREATE FUNCTION asyncflow.bring_back_1(p_now bigint, p_id uuid[], p_flow integer[]) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    missing uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(k) FROM (
        SELECT DISTINCT hashtextextended(c.id::text, 2) AS k FROM unnest(p_id) c (id)
        WHERE NOT EXISTS (SELECT FROM asyncflow.jobs j WHERE j.id = c.id) ORDER BY 1) locks;
    PERFORM FROM asyncflow.jobs WHERE id = ANY (p_id) ORDER BY id FOR UPDATE;
    WITH back AS (
        DELETE FROM asyncflow.ended e USING unnest(p_id, p_flow) c (id, flow)
        WHERE e.id = ANY (ARRAY[c.id]) AND e.flow = c.flow AND (e.shelf = 0 OR e.due > asyncflow.now_1(p_now)) RETURNING e.*
    ), moved AS (
        INSERT INTO asyncflow.jobs SELECT * FROM back RETURNING id
    ), counted AS (
        INSERT INTO asyncflow.counts
        SELECT flow, until, 0, 0, 0, sum(n * (state = 3)::integer), sum(n * (state = 4)::integer), sum(n * (state = 5)::integer)
        FROM (
            SELECT flow, asyncflow.counted_1(shelf, due) AS until, state, -1 AS n FROM back
            UNION ALL SELECT flow, NULL, state, 1 FROM back
        ) moved GROUP BY flow, until
    )
    SELECT array_agg(id) INTO missing FROM moved;
    UPDATE asyncflow.jobs SET shelf = 0 WHERE id = ANY (missing) AND shelf <> 0;
END $body$;

-- Puts those of them away again that were not changed.
CREATE FUNCTION asyncflow.put_away_1(p_from bigint[], p_until bigint[], p_id uuid[], p_born bigint[]) RETURNS void
LANGUAGE plpgsql AS $body$
BEGIN
    WITH back AS (
        DELETE FROM asyncflow.jobs j USING unnest(p_id, p_born) c (id, born)
        WHERE j.id = ANY (ARRAY[c.id]) AND j.state > 2
        RETURNING j.*, asyncflow.shelf_1(c.born, j.due, p_from, p_until) AS onto
    ), filed AS (
        INSERT INTO asyncflow.ended (id, version, created, due, rank, attempts, failures, flow, policy, flow_version, snoozes, format,
            state, mark, priority, crashes, crashes_in_all, shelf, started, ended, spacing, lead, owner, limit_key, unique_key, progress,
            request_type, request, outcome_type, outcome)
        SELECT id, version, created, due, rank, attempts, failures, flow, policy, flow_version, snoozes, format, state, mark, priority,
            crashes, crashes_in_all, onto, started, ended, spacing, lead, owner, limit_key, unique_key, progress, request_type, request,
            outcome_type, outcome
        FROM back
    )
    INSERT INTO asyncflow.counts
    SELECT flow, until, 0, 0, 0, sum(n * (state = 3)::integer), sum(n * (state = 4)::integer), sum(n * (state = 5)::integer)
    FROM (
        SELECT flow, NULL::bigint AS until, state, -1 AS n FROM back
        UNION ALL SELECT flow, asyncflow.counted_1(onto, due), state, 1 FROM back
    ) moved GROUP BY flow, until;
END $body$;

-- Changes records one by one where owners take turns, and gives those their places that are ready anew.
CREATE FUNCTION asyncflow.change_in_turn_1(
    p_now bigint, p_from bigint[], p_until bigint[],
    p_id uuid[], p_flow integer[], p_born bigint[],
    p_guard smallint[], p_version bigint[], p_token uuid[], p_started bigint[], p_knows smallint[], p_seen bigint[],
    p_to smallint[], p_due bigint[], p_youngest boolean[], p_lead bigint[], p_mark smallint[],
    p_attempts bigint[], p_failures bigint[], p_crashes smallint[], p_crashes_in_all smallint[], p_snoozes integer[],
    p_reports boolean[], p_progress text[], p_parts smallint[], p_type text[], p_bytes bytea[], p_quiet boolean[], p_purge boolean[]
) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql AS $body$
DECLARE
    a asyncflow.answer_1;
    r asyncflow.record_1;
BEGIN
    PERFORM FROM asyncflow.jobs WHERE id = ANY (p_id) ORDER BY id FOR UPDATE;
    FOR i IN 1 .. cardinality(p_id) LOOP
        FOR a IN SELECT * FROM asyncflow.apply_1(p_now, p_from, p_until, p_id[i:i], p_flow[i:i], p_born[i:i], p_guard[i:i],
            p_version[i:i], p_token[i:i], p_started[i:i], p_knows[i:i], p_seen[i:i], p_to[i:i], p_due[i:i], p_youngest[i:i],
            p_lead[i:i], p_mark[i:i], p_attempts[i:i], p_failures[i:i], p_crashes[i:i], p_crashes_in_all[i:i], p_snoozes[i:i],
            p_reports[i:i], p_progress[i:i], p_parts[i:i], p_type[i:i], p_bytes[i:i], p_quiet[i:i], p_purge[i:i])
        LOOP
            a.nth := i;
            r := a.job;
            IF a.kind = 10 AND r.state < 2 AND r.spacing IS NOT NULL AND NOT p_purge[i]
                AND (p_to[i] IS NOT NULL OR p_lead[i] IS NOT NULL)
            THEN
                r.rank := asyncflow.take_turn_1(r.id, p_lead[i] IS NOT NULL);
                a.job := r;
            END IF;
            RETURN NEXT a;
        END LOOP;
    END LOOP;
END $body$;
