-- New jobs.

-- Inserts jobs of new ids that nothing stands in the way of, and takes at once those that have a token.
CREATE FUNCTION asyncflow.add_1(
    p_now bigint, p_id uuid[], p_flow integer[], p_flow_version integer[], p_policy integer[], p_state smallint[], p_due bigint[],
    p_lead bigint[], p_priority smallint[], p_owner text[], p_limit_key text[], p_type text[], p_bytes bytea[], p_token uuid[],
    p_lease bigint[]
) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql AS $body$
DECLARE
    now_ bigint := asyncflow.now_1(p_now);
BEGIN
    WITH c AS MATERIALIZED (
        SELECT * FROM unnest(p_id, p_flow, p_flow_version, p_policy, p_state, p_due, p_lead, p_priority, p_owner, p_limit_key, p_type, p_bytes,
            p_token, p_lease)
            AS c (id, flow, flow_version, policy, state, due, lead, priority, owner, limit_key, type, bytes, token, lease)
    ), made AS (
        INSERT INTO asyncflow.jobs (id, version, created, due, rank, flow, policy, flow_version, format, state, priority, lease, started,
            token, owner, limit_key, request_type, request)
        SELECT id, CASE WHEN token IS NULL THEN 1 ELSE 2 END, now_, asyncflow.after_1(now_, due), asyncflow.before_1(now_, lead), flow,
            policy, flow_version, 1, CASE WHEN token IS NULL THEN state ELSE 2 END, priority,
            CASE WHEN token IS NOT NULL THEN asyncflow.after_1(now_, lease) END, CASE WHEN token IS NOT NULL THEN now_ END, token,
            owner, limit_key, type, bytes
        FROM c ORDER BY id
    )
    INSERT INTO asyncflow.counts
    SELECT flow, NULL, sum((token IS NULL AND state = 0)::integer), sum((token IS NULL AND state = 1)::integer),
        sum((token IS NOT NULL)::integer), 0, 0, 0
    FROM c GROUP BY flow;
    RETURN QUERY SELECT 7::smallint, 0, now_, NULL::uuid, NULL::asyncflow.record_1, NULL::text, NULL::bytea;
END $body$;

-- Inserts jobs one by one, each if nothing stands in its way.
CREATE FUNCTION asyncflow.admit_1(
    p_now bigint, p_from bigint[], p_until bigint[], f_flow integer[],
    p_id uuid[], p_flow integer[], p_flow_version integer[], p_policy integer[], p_state smallint[], p_due bigint[],
    p_lead bigint[], p_priority smallint[], p_owner text[], p_limit_key text[], p_type text[], p_bytes bytea[],
    p_spacing bigint[], p_worth bigint[], p_unique_key text[], p_replace text[], p_key text[], p_fingerprint uuid[], p_keep bigint[],
    p_room bigint[], p_owner_room bigint[]
) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql AS $body$
DECLARE
    now_      bigint := asyncflow.now_1(p_now);
    c         record;
    k         record;
    other     uuid;
    stands    smallint;
    patch     jsonb;
    found_    uuid;
    made      bigint;
    kind      smallint;
    at        integer;
    waiting   bigint[];
    scheduled bigint[] := array_fill(0::bigint, ARRAY[cardinality(f_flow)]);
    enqueued  bigint[] := array_fill(0::bigint, ARRAY[cardinality(f_flow)]);
BEGIN
    FOR c IN
        SELECT * FROM unnest(p_id, p_flow, p_flow_version, p_policy, p_state, p_due, p_lead, p_priority, p_owner, p_limit_key, p_type,
            p_bytes, p_spacing, p_worth, p_unique_key, p_replace, p_key, p_fingerprint, p_keep, p_room, p_owner_room) WITH ORDINALITY
            AS c (id, flow, flow_version, policy, state, due, lead, priority, owner, limit_key, type, bytes, spacing, worth, unique_key,
                replace, key, fingerprint, keep, room, owner_room, nth)
    LOOP
        kind := 1;
        found_ := c.id;
        at := array_position(f_flow, c.flow);
        made := asyncflow.made_1(now_, c.flow, c.id);
        IF made IS NOT NULL THEN
            kind := 2;
        ELSIF c.key IS NOT NULL THEN
            SELECT * INTO k FROM asyncflow.keys WHERE keys.flow = c.flow AND unowned = (c.owner IS NULL) AND keys.owner = coalesce(c.owner, '')
                AND keys.key = c.key AND until > now_;
            IF FOUND THEN
                kind := CASE WHEN k.fingerprint = c.fingerprint THEN 2 ELSE 3 END;
                found_ := k.job;
                made := k.created;
                c.key := NULL;
            END IF;
        END IF;
        other := NULL;
        IF kind = 1 AND c.unique_key IS NOT NULL THEN
            SELECT id, state, created INTO other, stands, made FROM asyncflow.jobs j WHERE j.flow = c.flow AND (j.owner IS NULL) = (c.owner IS NULL)
                AND coalesce(j.owner, '') = coalesce(c.owner, '') AND j.unique_key = c.unique_key AND j.unique_key IS NOT NULL
                AND j.state < 3 AND j.mark < 2 FOR UPDATE;
            IF other IS NOT NULL AND (stands = 2 OR c.replace IS NULL) THEN
                kind := 2;
                found_ := other;
            ELSIF other IS NOT NULL THEN
                -- It has that one's room.
                patch := c.replace::jsonb;
                PERFORM asyncflow.apply_1(p_now, p_from, p_until, ARRAY[other], ARRAY[c.flow], ARRAY[NULL::bigint],
                    ARRAY[0::smallint], ARRAY[(SELECT version FROM asyncflow.jobs WHERE id = other)], NULL, NULL, NULL, NULL,
                    ARRAY[(patch->>'to')::smallint], ARRAY[(patch->>'due')::bigint], ARRAY[(patch->>'youngest')::boolean],
                    ARRAY[(patch->>'lead')::bigint], ARRAY[(patch->>'mark')::smallint], ARRAY[(patch->>'attempts')::bigint],
                    ARRAY[(patch->>'failures')::bigint], ARRAY[(patch->>'crashes')::smallint],
                    ARRAY[(patch->>'crashes_in_all')::smallint], ARRAY[(patch->>'snoozes')::integer],
                    ARRAY[(patch->>'reports')::boolean], ARRAY[patch->>'progress'], ARRAY[(patch->>'parts')::smallint],
                    ARRAY[patch->>'type'], ARRAY[decode(patch->>'bytes', 'hex')], ARRAY[(patch->>'quiet')::boolean],
                    ARRAY[(patch->>'purge')::boolean]);
                waiting[at] := NULL;
                RETURN NEXT (6::smallint, c.nth::integer, 0::bigint, other, NULL::asyncflow.record_1, NULL::text, NULL::bytea)::asyncflow.answer_1;
            END IF;
        END IF;
        IF kind = 1 AND other IS NULL THEN
            IF c.owner IS NOT NULL AND c.owner_room IS NOT NULL AND (SELECT count(*) FROM (
                    SELECT FROM asyncflow.jobs j WHERE j.flow = c.flow AND j.owner = c.owner AND j.state < 2 LIMIT c.owner_room) own)
                    >= c.owner_room THEN
                kind := 5;
            ELSE
                waiting[at] := coalesce(waiting[at], asyncflow.waiting_1(c.flow));
                IF waiting[at] + scheduled[at] + enqueued[at] >= c.room THEN
                    kind := 4;
                END IF;
            END IF;
        END IF;
        IF kind = 1 THEN
            made := now_;
            INSERT INTO asyncflow.jobs (id, version, created, due, rank, flow, policy, flow_version, format, state, priority, spacing, lead,
                owner, limit_key, unique_key, request_type, request)
            VALUES (c.id, 1, now_, asyncflow.after_1(now_, c.due), asyncflow.before_1(now_, c.lead), c.flow, c.policy, c.flow_version, 1,
                c.state, c.priority, c.spacing, c.worth, c.owner, c.limit_key, c.unique_key,
                c.type, c.bytes);
            IF c.spacing IS NOT NULL THEN
                PERFORM asyncflow.take_turn_1(c.id, true);
            END IF;
            IF c.state = 0 THEN scheduled[at] := scheduled[at] + 1; ELSE enqueued[at] := enqueued[at] + 1; END IF;
        END IF;
        IF c.key IS NOT NULL AND (kind = 1 OR kind = 2 AND found_ <> c.id) THEN
            INSERT INTO asyncflow.keys VALUES (c.flow, c.owner IS NULL, coalesce(c.owner, ''), c.key, found_, made, c.fingerprint,
                asyncflow.after_1(now_, c.keep))
            ON CONFLICT (flow, unowned, owner, key) DO UPDATE SET job = excluded.job, created = excluded.created,
                fingerprint = excluded.fingerprint, until = excluded.until;
        END IF;
        RETURN NEXT (kind, c.nth::integer, made, found_, NULL::asyncflow.record_1, NULL::text, NULL::bytea)::asyncflow.answer_1;
    END LOOP;
    INSERT INTO asyncflow.counts
    SELECT f.flow, NULL, f.scheduled, f.enqueued, 0, 0, 0, 0 FROM unnest(f_flow, scheduled, enqueued) AS f (flow, scheduled, enqueued)
    WHERE f.scheduled + f.enqueued > 0;
END $body$;

-- When the job of this id was made, where there is one.
CREATE FUNCTION asyncflow.made_1(p_now bigint, p_flow integer, p_id uuid) RETURNS bigint LANGUAGE plpgsql AS $body$
DECLARE
    made bigint;
BEGIN
    SELECT created INTO made FROM asyncflow.jobs WHERE id = p_id;
    IF NOT FOUND THEN
        SELECT created INTO made FROM asyncflow.ended WHERE flow = p_flow AND id = p_id AND (shelf = 0 OR due > p_now) LIMIT 1;
    END IF;
    RETURN made;
END $body$;

-- Whether there is a job of one of these ids, which lie between these, or one that is held under one of these tokens.
CREATE FUNCTION asyncflow.known_1(p_now bigint, p_flow integer[], p_id uuid[], p_first uuid, p_last uuid, p_token uuid[]) RETURNS boolean
LANGUAGE plpgsql AS $body$
BEGIN
    RETURN EXISTS (SELECT FROM asyncflow.jobs WHERE id = ANY (p_id))
        -- Of those that have ended, only tables for ids of that time are looked into.
        OR EXISTS (SELECT FROM unnest(p_flow, p_id) c (flow, id), LATERAL (
            SELECT FROM asyncflow.ended e WHERE e.id >= p_first AND e.id <= p_last AND e.flow = c.flow AND e.id = c.id
                AND (e.shelf = 0 OR e.due > asyncflow.now_1(p_now)) LIMIT 1
        ) known)
        OR EXISTS (SELECT FROM asyncflow.jobs WHERE token = ANY (p_token) AND state = 2);
END $body$;
