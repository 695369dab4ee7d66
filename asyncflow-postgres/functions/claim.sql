-- Jobs are taken.

CREATE FUNCTION asyncflow.claim_1(
    p_now bigint, p_began bigint, p_skip boolean[], p_flow integer[], p_id uuid[], p_versions text[], p_jobs bigint[], p_bytes bigint[], p_floor bigint[], p_new bigint[],
    p_token uuid[], p_lease bigint[],
    p_limited boolean[], p_running bigint[], p_per_key bigint[], p_one bigint[], p_all bigint[], p_key_one bigint[], p_key_all bigint[]
) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql AS $body$
DECLARE
    now_  bigint;
    c     record;
    ids   uuid[];
    after bigint;
    held  boolean;
    taken bigint;
    fresh uuid[];
BEGIN
    -- Two asks with one token must not both find that it holds nothing.
    PERFORM pg_advisory_xact_lock(k) FROM (SELECT DISTINCT hashtextextended(t::text, 1) AS k FROM unnest(p_token, p_skip) c (t, skip)
        WHERE skip IS NOT TRUE ORDER BY 1) locks;
    -- Jobs that are named are waited for, in one order.
    IF p_id IS NOT NULL THEN
        PERFORM FROM asyncflow.jobs WHERE id = ANY (p_id) AND state = 1 ORDER BY id FOR UPDATE;
    END IF;
    now_ := asyncflow.now_1(p_now);
    FOR c IN
        SELECT * FROM unnest(p_skip, p_flow, p_id, p_versions, p_jobs, p_bytes, p_floor, p_new, p_token, p_lease, p_limited, p_running, p_per_key, p_one,
            p_all, p_key_one, p_key_all) WITH ORDINALITY
            AS c (skip, flow, id, versions, jobs, bytes, floor, new, token, lease, limited, running, per_key, one, "all", key_one, key_all, nth)
    LOOP
        CONTINUE WHEN c.skip;
        -- Asked again: the same jobs, their leases renewed, and nothing that a reader would see.
        RETURN QUERY WITH again AS (
            UPDATE asyncflow.jobs SET lease = coalesce(asyncflow.after_1(now_, c.lease), lease)
            WHERE token = c.token AND state = 2 AND flow = c.flow AND format < 2 RETURNING *
        )
        SELECT 21::smallint, c.nth::integer, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts, j.failures, j.flow,
            j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all, j.shelf, j.lease,
            j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, j.progress)::asyncflow.record_1,
            p.content_type, p.bytes
        FROM again j LEFT JOIN asyncflow.parts p ON p.id = ANY (ARRAY[j.id]) AND p.name = 0;
        CONTINUE WHEN FOUND;
        after := NULL;
        held := false;
        IF c.limited THEN
            SELECT * INTO ids, after, held FROM asyncflow.within_1(now_, c.flow, c.id, c.versions::integer[], c.jobs, c.running, c.per_key,
                c.one, c."all", c.key_one, c.key_all);
        ELSIF c.id IS NOT NULL THEN
            ids := ARRAY[c.id];
        ELSE
            -- What is new in this batch may be below.
            c.floor := least(c.floor, asyncflow.before_1(p_began, c.new));
            ids := ARRAY(
                SELECT r.id FROM unnest(c.versions::integer[]) v (version), (VALUES (true), (false)) l (keyless), LATERAL (
                    SELECT j.id, j.rank FROM asyncflow.jobs j
                    WHERE j.flow = c.flow AND j.flow_version = v.version AND (coalesce(j.limit_key, j.owner) IS NULL) = l.keyless
                        AND j.state = 1 AND j.rank >= c.floor AND j.format < 2
                    ORDER BY j.rank, j.id LIMIT c.jobs FOR UPDATE SKIP LOCKED
                ) r ORDER BY r.rank, r.id LIMIT c.jobs
            );
        END IF;
        IF cardinality(ids) > 0 THEN
            RETURN QUERY WITH ready AS (
                SELECT j.id, j.rank, j.limit_key, j.owner, p.content_type, p.bytes, coalesce(octet_length(p.bytes), 0)::bigint AS size
                FROM unnest(ids) i (id) JOIN asyncflow.jobs j ON j.id = ANY (ARRAY[i.id])
                LEFT JOIN asyncflow.parts p ON p.id = ANY (ARRAY[j.id]) AND p.name = 0
                WHERE j.state = 1 AND j.flow = c.flow AND j.format < 2
            ), sums AS (
                SELECT *, row_number() OVER line AS place, sum(size) OVER line AS total, first_value(size) OVER line AS first
                FROM ready WINDOW line AS (ORDER BY rank, id)
            ), fits AS MATERIALIZED (
                SELECT * FROM sums WHERE place = 1 OR total - first <= greatest(c.bytes - first, 0)
            ), taken AS (
                UPDATE asyncflow.jobs j SET state = 2, version = j.version + 1, lease = coalesce(asyncflow.after_1(now_, c.lease), j.due),
                    started = now_, token = c.token, progress = NULL
                FROM fits WHERE j.id = ANY (ARRAY[fits.id]) RETURNING j.*, fits.content_type, fits.bytes
            ), counted AS (
                INSERT INTO asyncflow.counts SELECT c.flow, NULL, 0, -count(*), count(*), 0, 0, 0 FROM fits HAVING count(*) > 0
            )
            SELECT 20::smallint, c.nth::integer, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts, j.failures, j.flow,
                j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all, j.shelf, j.lease,
                j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, j.progress)::asyncflow.record_1,
                j.content_type, j.bytes
            FROM taken j;
            GET DIAGNOSTICS taken = ROW_COUNT;
            IF taken > 0 THEN
                fresh := fresh || c.token;
            END IF;
            IF taken > 0 AND (c.one IS NOT NULL OR c.key_one IS NOT NULL) THEN
                PERFORM asyncflow.count_starts_1(now_, c.flow, c.token, c.one, c."all", c.key_one, c.key_all);
            END IF;
            IF taken < cardinality(ids) THEN
                -- What did not fit is not held back by a limit.
                after := NULL;
            END IF;
        END IF;
        IF after IS NOT NULL OR held THEN
            RETURN NEXT (22::smallint, c.nth::integer, after, CASE WHEN held THEN c.token END, NULL::asyncflow.record_1, NULL::text,
                NULL::bytea)::asyncflow.answer_1;
        END IF;
    END LOOP;
    -- Where the line is, where owners take turns. Never backwards: one that was held back, or handed back, has an old place.
    IF fresh IS NOT NULL THEN
        INSERT INTO asyncflow.turns
        SELECT flow, max(asyncflow.bounded_1(rank::numeric + lead)) FROM asyncflow.jobs
        WHERE token = ANY (fresh) AND state = 2 AND spacing IS NOT NULL GROUP BY flow ORDER BY flow
        ON CONFLICT (flow) DO UPDATE SET turn = greatest(turns.turn, excluded.turn);
    END IF;
END $body$;
