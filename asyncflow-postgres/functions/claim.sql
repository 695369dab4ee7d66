-- Jobs are taken.

-- Claims of one `run` take from one line, one after the other: their jobs are looked for together. One without a run asks for what an
-- earlier one of the batch takes.
CREATE FUNCTION asyncflow.claim_1(
    p_now bigint, p_began bigint, p_skip boolean[], p_run integer[], p_flow integer[], p_id uuid[], p_versions text[], p_jobs bigint[],
    p_bytes bigint[], p_floor bigint[], p_new bigint[], p_token uuid[], p_lease bigint[], p_limited boolean[], p_running bigint[],
    p_per_key bigint[], p_one bigint[], p_all bigint[], p_key_one bigint[], p_key_all bigint[]
) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql AS $body$
DECLARE
    now_  bigint;
    again bigint[];
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
    -- Jobs that are named are waited for, in one order. A literal state would have the index of what is ready read from end to end.
    IF p_id IS NOT NULL THEN
        PERFORM FROM asyncflow.jobs WHERE id = ANY (p_id) AND state + 0 = 1 ORDER BY id FOR UPDATE;
    END IF;
    now_ := asyncflow.now_1(p_now);
    again := ARRAY(
        SELECT nth FROM unnest(p_skip, p_run, p_flow, p_token) WITH ORDINALITY AS a (skip, run, flow, token, nth)
        WHERE skip IS NOT TRUE AND (run IS NULL OR EXISTS (
            SELECT FROM asyncflow.jobs j WHERE j.token = ANY (ARRAY[a.token]) AND j.state = 2 AND j.flow = a.flow AND j.format < 2))
    );
    FOR c IN
        SELECT min(nth) AS nth, array_agg(nth ORDER BY nth) AS claims, array_agg(token ORDER BY nth) AS tokens, flow,
            array_agg(id ORDER BY nth) AS ids, bool_or(id IS NOT NULL) AS named, versions, sum(jobs)::bigint AS jobs, min(floor) AS floor,
            max(new) AS new, limited
        FROM unnest(p_skip, p_run, p_flow, p_id, p_versions, p_jobs, p_floor, p_new, p_token, p_limited) WITH ORDINALITY
            AS a (skip, run, flow, id, versions, jobs, floor, new, token, limited, nth)
        WHERE skip IS NOT TRUE AND nth <> ALL (again) GROUP BY run, flow, versions, limited ORDER BY 1
    LOOP
        after := NULL;
        held := false;
        IF c.limited THEN
            SELECT * INTO ids, after, held FROM asyncflow.within_1(now_, c.flow, c.ids[1], c.versions::integer[], c.jobs, p_running[c.nth],
                p_per_key[c.nth], p_one[c.nth], p_all[c.nth], p_key_one[c.nth], p_key_all[c.nth]);
        ELSIF c.named THEN
            ids := c.ids;
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
            -- One claim of many jobs, or many of one each: the first job of each fits, whatever its size.
            RETURN QUERY WITH found AS (
                SELECT i.id, i.place, c.claims[least(i.place, cardinality(c.claims))] AS nth, coalesce(octet_length(j.request), 0)::bigint AS size
                FROM unnest(ids) WITH ORDINALITY i (id, place)
                LEFT JOIN asyncflow.jobs j ON j.id = ANY (ARRAY[i.id]) AND c.jobs > cardinality(c.claims)
            ), sums AS (
                SELECT *, row_number() OVER line AS step, sum(size) OVER line AS total, first_value(size) OVER line AS first
                FROM found WINDOW line AS (PARTITION BY nth ORDER BY place)
            ), fits AS MATERIALIZED (
                SELECT * FROM sums WHERE step = 1 OR total - first <= greatest(p_bytes[nth] - first, 0)
            ), taken AS (
                UPDATE asyncflow.jobs j SET state = 2, version = j.version + 1, lease = coalesce(asyncflow.after_1(now_, p_lease[nth]), j.due),
                    started = now_, token = p_token[nth], progress = NULL
                FROM fits WHERE j.id = ANY (ARRAY[fits.id]) AND j.state + 0 = 1 AND j.flow = c.flow AND j.format < 2
                RETURNING j.*, fits.nth
            ), counted AS (
                INSERT INTO asyncflow.counts SELECT c.flow, NULL, 0, -count(*), count(*), 0, 0, 0 FROM taken HAVING count(*) > 0
            )
            SELECT 20::smallint, j.nth::integer, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts, j.failures, j.flow,
                j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all, j.shelf, j.lease,
                j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, j.progress)::asyncflow.record_1,
                j.request_type, j.request
            FROM taken j;
            GET DIAGNOSTICS taken = ROW_COUNT;
            IF taken > 0 THEN
                fresh := fresh || c.tokens;
                IF p_one[c.nth] IS NOT NULL OR p_key_one[c.nth] IS NOT NULL THEN
                    PERFORM asyncflow.count_starts_1(now_, c.flow, p_token[c.nth], p_one[c.nth], p_all[c.nth], p_key_one[c.nth],
                        p_key_all[c.nth]);
                END IF;
            END IF;
            IF taken < cardinality(ids) THEN
                -- What did not fit is not held back by a limit.
                after := NULL;
            END IF;
        END IF;
        IF after IS NOT NULL OR held THEN
            RETURN NEXT (22::smallint, c.nth::integer, after, CASE WHEN held THEN p_token[c.nth] END, NULL::asyncflow.record_1, NULL::text,
                NULL::bytea)::asyncflow.answer_1;
        END IF;
    END LOOP;
    IF cardinality(again) > 0 THEN
        -- Asked again: the same jobs, their leases renewed, and nothing that a reader would see.
        RETURN QUERY WITH asked AS (
            SELECT nth, p_token[nth] AS token, p_flow[nth] AS flow, p_lease[nth] AS lease FROM unnest(again) a (nth)
        ), renewed AS (
            UPDATE asyncflow.jobs j SET lease = coalesce(asyncflow.after_1(now_, a.lease), j.lease)
            FROM (SELECT token, flow, max(lease) AS lease FROM asked GROUP BY token, flow) a
            WHERE j.token = ANY (ARRAY[a.token]) AND j.state = 2 AND j.flow = a.flow AND j.format < 2 RETURNING j.*
        )
        SELECT 21::smallint, a.nth::integer, 0::bigint, j.id, ROW(j.id, j.version, j.created, j.due, j.rank, j.attempts, j.failures, j.flow,
            j.policy, j.flow_version, j.snoozes, j.format, j.state, j.mark, j.priority, j.crashes, j.crashes_in_all, j.shelf, j.lease,
            j.started, j.ended, j.token, j.spacing, j.lead, j.owner, j.limit_key, j.unique_key, j.progress)::asyncflow.record_1,
            j.request_type, j.request
        FROM asked a JOIN renewed j ON j.token = a.token AND j.flow = a.flow;
    END IF;
    -- Where the line is, where owners take turns. Never backwards: one that was held back, or handed back, has an old place.
    IF fresh IS NOT NULL THEN
        INSERT INTO asyncflow.turns
        SELECT flow, max(asyncflow.bounded_1(rank::numeric + lead)) FROM asyncflow.jobs
        WHERE token = ANY (fresh) AND state = 2 AND spacing IS NOT NULL GROUP BY flow ORDER BY flow
        ON CONFLICT (flow) DO UPDATE SET turn = greatest(turns.turn, excluded.turn);
    END IF;
END $body$;
