-- Jobs end, by the word of those who hold them: what most batches are about, in as few steps as there can be. All other changes are in
-- `change.sql`.

CREATE FUNCTION asyncflow.end_1(
    p_now bigint, p_from bigint[], p_until bigint[],
    p_id uuid[], p_flow integer[], p_born bigint[], p_token uuid[], p_started bigint[], p_knows smallint[],
    p_to smallint[], p_keep bigint[], p_attempts bigint[], p_failures bigint[], p_crashes smallint[], p_crashes_in_all smallint[],
    p_snoozes integer[], p_progress text[], p_parts smallint[], p_type text[], p_bytes bytea[]
) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql AS $body$
DECLARE
    now_  bigint := asyncflow.now_1(p_now);
    ended integer;
BEGIN
    -- They come in the order of their ids, in which they are locked. A literal state would have the index of what is held read from end to end.
    RETURN QUERY WITH gone AS (
        DELETE FROM asyncflow.jobs j
        USING unnest(p_id, p_flow, p_born, p_token, p_started, p_knows, p_to, p_keep, p_attempts, p_failures, p_crashes, p_crashes_in_all,
            p_snoozes, p_progress, p_parts, p_type, p_bytes) WITH ORDINALITY
            AS c (id, flow, born, token, started, knows, "to", keep, attempts, failures, crashes, crashes_in_all, snoozes, progress, parts,
                type, bytes, nth)
        WHERE j.id = ANY (ARRAY[c.id]) AND j.flow = c.flow AND j.state + 0 = 2 AND j.token = c.token AND j.started IS NOT DISTINCT FROM c.started
            AND j.mark <= c.knows AND j.format <= 1
        RETURNING c.nth, c.born, j.id, j.version + 1 AS version, j.created,
            greatest(asyncflow.after_1(now_, c.keep), asyncflow.after_1(j.created, 60000000)) AS due, j.rank, c.attempts, c.failures, j.flow,
            j.policy, j.flow_version, c.snoozes, j.format, c."to" AS state, j.mark, j.priority, c.crashes, c.crashes_in_all,
            asyncflow.shelf_1(c.born, greatest(asyncflow.after_1(now_, c.keep), asyncflow.after_1(j.created, 60000000)), p_from, p_until)
                AS shelf,
            j.started, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, coalesce(c.progress, j.progress) AS progress,
            CASE WHEN c.parts IN (0, 2) THEN j.request_type END AS request_type, CASE WHEN c.parts IN (0, 2) THEN j.request END AS request,
            CASE WHEN c.parts = 0 THEN j.outcome_type ELSE c.type END AS outcome_type,
            CASE WHEN c.parts = 0 THEN j.outcome ELSE c.bytes END AS outcome
    ),
    filed AS (
        INSERT INTO asyncflow.ended (id, version, created, due, rank, attempts, failures, flow, policy, flow_version, snoozes, format,
            state, mark, priority, crashes, crashes_in_all, shelf, started, ended, spacing, lead, owner, limit_key, unique_key, progress,
            request_type, request, outcome_type, outcome)
        SELECT id, version, created, due, rank, attempts, failures, flow, policy, flow_version, snoozes, format, state, mark, priority,
            crashes, crashes_in_all, shelf, started, now_, spacing, lead, owner, limit_key, unique_key, progress, request_type, request,
            outcome_type, outcome
        FROM gone
    ),
    counted AS (
        INSERT INTO asyncflow.counts
        SELECT flow, until, 0, 0, sum(processing), sum(succeeded), sum(failed), sum(cancelled) FROM (
            SELECT flow, NULL::bigint AS until, -1 AS processing, 0 AS succeeded, 0 AS failed, 0 AS cancelled FROM gone
            UNION ALL SELECT flow, asyncflow.counted_1(shelf, due), 0, (state = 3)::integer, (state = 4)::integer, (state = 5)::integer FROM gone
        ) moved GROUP BY flow, until
    )
    SELECT 13::smallint, nth::integer, 0::bigint, id, ROW(id, version, created, due, rank, attempts, failures, flow, policy, flow_version, snoozes,
        format, state, mark, priority, crashes, crashes_in_all, shelf, NULL, started, now_, NULL, spacing, lead, owner, limit_key, unique_key,
        progress)::asyncflow.record_1, NULL::text, NULL::bytea
    FROM gone;
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF ended < cardinality(p_id) THEN
        PERFORM asyncflow.readable_1(p_id);
        -- Those that ended right now are found here too: the caller takes what came first.
        RETURN QUERY SELECT 14::smallint, a.nth, a.at, a.id, a.job, a.content_type, a.bytes FROM asyncflow.get_1(p_now, p_flow, p_id) a;
    END IF;
END $body$;

-- Refuses jobs that are written in a newer form than this version's.
CREATE FUNCTION asyncflow.readable_1(p_id uuid[]) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    strange asyncflow.jobs;
BEGIN
    SELECT * INTO strange FROM asyncflow.jobs WHERE id = ANY (p_id) AND format > 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'AF001', MESSAGE = format(
            'job %s is unreadable: it is written in format %s, and this version reads up to 1: use a newer one', strange.id, strange.format);
    END IF;
END $body$;
