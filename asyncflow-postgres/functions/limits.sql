-- What a claim may take within its limits. Its flow is locked.

-- How many more of a key may start at most, and what holds back the one after those: how long until a rate lets it start, or that as many
-- run as may.
CREATE FUNCTION asyncflow.of_key_1(
    p_now bigint, p_flow integer, p_key text, p_most bigint, p_per_key bigint, p_one bigint, p_all bigint,
    OUT room bigint, OUT after bigint, OUT held boolean
) LANGUAGE plpgsql AS $body$
DECLARE
    owed    bigint;
    started bigint;
BEGIN
    room := p_most;
    held := false;
    IF p_per_key IS NOT NULL THEN
        room := least(room, p_per_key - (SELECT count(*) FROM (
            SELECT FROM asyncflow.jobs WHERE flow = p_flow AND coalesce(limit_key, owner) = p_key AND coalesce(limit_key, owner) IS NOT NULL
                AND state = 2 LIMIT p_per_key) running));
        held := room < p_most;
    END IF;
    IF p_one IS NOT NULL THEN
        owed := asyncflow.owed_1(p_now, p_flow, false, p_key, p_all);
        started := greatest(p_all - owed, 0) / p_one;
        IF started < room THEN
            room := started;
            held := false;
            after := owed + (started + 1) * p_one - p_all;
        END IF;
    END IF;
END $body$;

-- What is owed of what started, of a key or the whole flow. What is remembered is no further ahead than the rate can owe from then on.
CREATE FUNCTION asyncflow.owed_1(p_now bigint, p_flow integer, p_whole boolean, p_key text, p_all bigint) RETURNS bigint
LANGUAGE plpgsql AS $body$
DECLARE
    last bigint;
BEGIN
    SELECT paid INTO last FROM asyncflow.started WHERE flow = p_flow AND whole = p_whole AND key = p_key;
    IF last > asyncflow.after_1(p_now, p_all) THEN
        last := asyncflow.after_1(p_now, p_all);
        UPDATE asyncflow.started SET paid = last WHERE flow = p_flow AND whole = p_whole AND key = p_key;
    END IF;
    RETURN greatest(coalesce(last, p_now) - p_now, 0);
END $body$;

-- The jobs that a claim takes, in the order of their ranks; for how long others are held back by a rate alone; and whether some wait until
-- one that runs ends.
CREATE FUNCTION asyncflow.within_1(
    p_now bigint, p_flow integer, p_id uuid, p_versions integer[], p_jobs bigint, p_running bigint, p_per_key bigint, p_one bigint,
    p_all bigint, p_key_one bigint, p_key_all bigint, OUT ids uuid[], OUT after bigint, OUT held boolean
) LANGUAGE plpgsql AS $body$
DECLARE
    keyed boolean := p_per_key IS NOT NULL OR p_key_one IS NOT NULL;
    most  bigint;
    owed  bigint;
    look  bigint;
    seen  bigint;
    wait  bigint;
    stuck boolean;
    next  record;
    -- The last job that was looked at.
    last_rank bigint := -9223372036854775808;
    last_id   uuid := '00000000-0000-0000-0000-000000000000';
    passed    bigint := 0;
    -- Keys that were met: how many more may start of each, and what holds back the one after those.
    of_key record;
    at     integer;
    keys   text[] := '{}';
    rooms  bigint[] := '{}';
    afters bigint[] := '{}';
    helds  boolean[] := '{}';
BEGIN
    ids := '{}';
    held := false;
    most := CASE WHEN p_id IS NULL THEN p_jobs ELSE 1 END;
    IF most < 1 OR NOT EXISTS (SELECT FROM asyncflow.jobs WHERE id = p_id AND flow = p_flow AND state + 0 = 1
            UNION ALL SELECT FROM unnest(p_versions) v (version), LATERAL (
                SELECT FROM asyncflow.jobs WHERE flow = p_flow AND flow_version = v.version AND state = 1 LIMIT 1) first WHERE p_id IS NULL) THEN
        RETURN;
    END IF;
    -- Of the whole flow: `wait` and `stuck` say what holds back the one after these.
    stuck := false;
    IF p_running IS NOT NULL THEN
        look := p_running - asyncflow.running_1(p_flow);
        stuck := look <= most;
        most := least(most, look);
    END IF;
    IF p_one IS NOT NULL THEN
        owed := asyncflow.owed_1(p_now, p_flow, true, '', p_all);
        look := greatest(p_all - owed, 0) / p_one;
        IF look < most OR look = most AND NOT stuck THEN
            stuck := false;
            wait := owed + (look + 1) * p_one - p_all;
        END IF;
        most := least(most, look);
    END IF;
    IF most < 1 THEN
        after := CASE WHEN NOT stuck THEN wait END;
        held := stuck;
        RETURN;
    END IF;
    IF p_id IS NOT NULL THEN
        SELECT ARRAY[p_id] INTO ids FROM asyncflow.jobs WHERE id = p_id AND (limit_key IS NULL AND owner IS NULL OR NOT keyed);
        IF NOT FOUND THEN
            SELECT CASE WHEN k.room > 0 THEN ARRAY[p_id] ELSE '{}' END, k.after, k.held INTO ids, after, held
            FROM asyncflow.jobs j, LATERAL asyncflow.of_key_1(p_now, p_flow, coalesce(limit_key, owner), 1, p_per_key, p_key_one, p_key_all) k
            WHERE j.id = p_id;
        END IF;
        RETURN;
    END IF;
    -- They are looked through in their order, ever more at a time, until many were passed over. Just those that start are locked.
    look := CASE WHEN keyed THEN most + 64 ELSE most END;
    LOOP
        seen := 0;
        FOR next IN
            SELECT r.* FROM unnest(p_versions) v (version), (VALUES (true), (false)) k (keyless), LATERAL (
                SELECT j.id, j.rank, coalesce(j.limit_key, j.owner) AS key FROM asyncflow.jobs j
                WHERE j.flow = p_flow AND j.flow_version = v.version AND (coalesce(j.limit_key, j.owner) IS NULL) = k.keyless AND j.state = 1
                    AND j.format < 2 AND (j.rank, j.id) > (last_rank, last_id)
                ORDER BY j.rank, j.id LIMIT look
            ) r ORDER BY r.rank, r.id LIMIT look
        LOOP
            EXIT WHEN cardinality(ids) >= most;
            seen := seen + 1;
            last_rank := next.rank;
            last_id := next.id;
            at := NULL;
            IF keyed AND next.key IS NOT NULL THEN
                at := array_position(keys, next.key COLLATE "C");
                IF at IS NULL THEN
                    of_key := asyncflow.of_key_1(p_now, p_flow, next.key, most, p_per_key, p_key_one, p_key_all);
                    keys := array_append(keys, next.key);
                    rooms := array_append(rooms, of_key.room);
                    afters := array_append(afters, of_key.after);
                    helds := array_append(helds, of_key.held);
                    at := cardinality(keys);
                END IF;
                IF rooms[at] < 1 THEN
                    passed := passed + 1;
                    after := least(after, afters[at]);
                    held := held OR helds[at];
                    CONTINUE;
                END IF;
            END IF;
            PERFORM FROM asyncflow.jobs WHERE id = next.id AND flow = p_flow AND state + 0 = 1 FOR UPDATE SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
            ids := ids || next.id;
            IF at IS NOT NULL THEN
                rooms[at] := rooms[at] - 1;
            END IF;
        END LOOP;
        EXIT WHEN cardinality(ids) >= most OR seen < look OR passed > 1000;
        look := look * 4;
    END LOOP;
    IF cardinality(ids) < most AND seen >= look THEN
        -- Then key by key, whose first ones are found at once, however many wait.
        WITH RECURSIVE every (of_version, key) AS (
            SELECT v.version, (SELECT min(coalesce(limit_key, owner)) FROM asyncflow.jobs
                WHERE flow = p_flow AND flow_version = v.version AND state + 0 = 1 AND coalesce(limit_key, owner) IS NOT NULL)
            FROM unnest(p_versions) v (version)
            UNION ALL
            SELECT of_version, (SELECT min(coalesce(limit_key, owner)) FROM asyncflow.jobs
                WHERE flow = p_flow AND flow_version = of_version AND state + 0 = 1 AND coalesce(limit_key, owner) IS NOT NULL
                    AND coalesce(limit_key, owner) > key)
            FROM every WHERE key IS NOT NULL
        ), keys AS MATERIALIZED (
            SELECT key, k.* FROM (SELECT DISTINCT key FROM every WHERE key IS NOT NULL) known,
                LATERAL asyncflow.of_key_1(p_now, p_flow, key, most, p_per_key, p_key_one, p_key_all) k
        ), placed AS MATERIALIZED (
            SELECT r.id, r.rank, k.room, k.after, k.held, row_number() OVER (PARTITION BY k.key ORDER BY r.rank, r.id) AS place
            FROM keys k, LATERAL (
                SELECT f.* FROM unnest(p_versions) v (version), LATERAL (
                    SELECT j.id, j.rank FROM asyncflow.jobs j
                    WHERE j.flow = p_flow AND j.flow_version = v.version AND j.state + 0 = 1 AND j.format < 2
                        AND coalesce(j.limit_key, j.owner) IS NOT NULL AND coalesce(j.limit_key, j.owner) = k.key
                    ORDER BY j.rank, j.id LIMIT k.room + 1 FOR UPDATE SKIP LOCKED
                ) f ORDER BY f.rank, f.id LIMIT k.room + 1
            ) r
            UNION ALL
            SELECT r.id, r.rank, NULL, NULL, NULL, NULL FROM unnest(p_versions) v (version), LATERAL (
                SELECT j.id, j.rank FROM asyncflow.jobs j
                WHERE j.flow = p_flow AND j.flow_version = v.version AND j.state = 1 AND j.format < 2
                    AND (coalesce(j.limit_key, j.owner) IS NULL) = true
                ORDER BY j.rank, j.id LIMIT most FOR UPDATE SKIP LOCKED
            ) r
        )
        SELECT ARRAY(SELECT id FROM placed p WHERE p.room IS NULL OR place <= p.room ORDER BY rank, id LIMIT most),
            (SELECT min(p.after) FROM placed p WHERE place > p.room),
            coalesce((SELECT bool_or(p.held) FROM placed p WHERE place > p.room), false)
        INTO ids, after, held;
    END IF;
    IF cardinality(ids) >= p_jobs THEN
        after := NULL;
    ELSIF cardinality(ids) >= most AND seen >= most THEN
        -- The flow has no room for those behind them, if there are any.
        after := CASE WHEN NOT stuck AND EXISTS (SELECT FROM unnest(p_versions) v (version), LATERAL (
            SELECT FROM asyncflow.jobs WHERE flow = p_flow AND flow_version = v.version AND state = 1 AND id <> ALL (ids) LIMIT 1) more)
            THEN wait END;
        held := held OR stuck;
    END IF;
END $body$;

-- Remembers what has started of a claim.
CREATE FUNCTION asyncflow.count_starts_1(
    p_now bigint, p_flow integer, p_token uuid, p_one bigint, p_all bigint, p_key_one bigint, p_key_all bigint
) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    IF p_one IS NOT NULL THEN
        INSERT INTO asyncflow.started AS s
        SELECT p_flow, true, '', p_now + count(*) * p_one FROM asyncflow.jobs WHERE token = p_token AND state = 2
        ON CONFLICT (flow, whole, key) DO UPDATE SET paid = excluded.paid + greatest(s.paid - p_now, 0);
    END IF;
    IF p_key_one IS NOT NULL THEN
        INSERT INTO asyncflow.started AS s
        SELECT p_flow, false, coalesce(limit_key, owner), p_now + count(*) * p_key_one FROM asyncflow.jobs
        WHERE token = p_token AND state = 2 AND coalesce(limit_key, owner) IS NOT NULL GROUP BY coalesce(limit_key, owner)
        ON CONFLICT (flow, whole, key) DO UPDATE SET paid = excluded.paid + greatest(s.paid - p_now, 0);
    END IF;
END $body$;
