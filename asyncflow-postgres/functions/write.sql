-- One batch: one round trip, one transaction.
CREATE FUNCTION asyncflow.write_1(
    p_now bigint, p_area integer, p_from bigint[], p_until bigint[],
    f_flow integer[], f_alone boolean[], f_room bigint[],
    i_plain boolean, i_first uuid, i_last uuid,
    i_id uuid[], i_flow integer[], i_flow_version integer[], i_policy integer[], i_state smallint[], i_due bigint[], i_lead bigint[],
    i_priority smallint[], i_owner text[], i_limit_key text[], i_type text[], i_bytes bytea[], i_token uuid[], i_lease bigint[],
    i_spacing bigint[], i_worth bigint[], i_unique_key text[], i_replace text[], i_key text[], i_fingerprint uuid[], i_keep bigint[],
    i_room bigint[], i_owner_room bigint[],
    e_id uuid[], e_flow integer[], e_born bigint[], e_token uuid[], e_started bigint[], e_knows smallint[], e_to smallint[], e_keep bigint[],
    e_attempts bigint[], e_failures bigint[], e_crashes smallint[], e_crashes_in_all smallint[], e_snoozes integer[], e_progress text[],
    e_parts smallint[], e_type text[], e_bytes bytea[],
    x_turning uuid[], x_id uuid[], x_flow integer[], x_born bigint[], x_guard smallint[], x_version bigint[], x_seen bigint[], x_token uuid[],
    x_started bigint[], x_knows smallint[], x_to smallint[], x_due bigint[], x_youngest boolean[], x_lead bigint[], x_mark smallint[],
    x_quiet boolean[], x_purge boolean[], x_reports boolean[], x_attempts bigint[], x_failures bigint[], x_crashes smallint[],
    x_crashes_in_all smallint[], x_snoozes integer[], x_progress text[], x_parts smallint[], x_type text[], x_bytes bytea[],
    c_fused boolean[], c_run integer[], c_flow integer[], c_id uuid[], c_versions text[], c_jobs bigint[], c_bytes bigint[], c_floor bigint[], c_new bigint[], c_token uuid[],
    c_lease bigint[], c_limited boolean[], c_running bigint[], c_per_key bigint[], c_one bigint[], c_all bigint[], c_key_one bigint[],
    c_key_all bigint[]
) RETURNS SETOF asyncflow.answer_1 LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off SET jit = off
SET lock_timeout = '3s'
AS $body$
DECLARE
    began   bigint := asyncflow.now_1(p_now);
    spaced  integer[];
    waiting bigint;
    plain   boolean := i_plain;
    fused   boolean := false;
BEGIN
    IF x_turning IS NOT NULL THEN
        spaced := ARRAY(SELECT DISTINCT flow FROM asyncflow.jobs WHERE id = ANY (x_turning) AND spacing IS NOT NULL);
    END IF;
    -- Flows come first, in one order: those alone of which something is counted, the others together.
    FOR i IN 1 .. coalesce(cardinality(f_flow), 0) LOOP
        IF f_room[i] IS NOT NULL THEN
            waiting := asyncflow.waiting_1(f_flow[i]);
            RETURN NEXT (8::smallint, i, waiting, NULL::uuid, NULL::asyncflow.record_1, NULL::text, NULL::bytea)::asyncflow.answer_1;
            IF waiting >= f_room[i] THEN
                plain := false;
                f_alone[i] := true;
            END IF;
        END IF;
        IF f_alone[i] OR f_flow[i] = ANY (spaced) THEN
            PERFORM pg_advisory_xact_lock(p_area, f_flow[i]);
        ELSE
            PERFORM pg_advisory_xact_lock_shared(p_area, f_flow[i]);
        END IF;
    END LOOP;
    IF i_id IS NOT NULL THEN
        IF plain AND NOT asyncflow.known_1(p_now, i_flow, i_id, i_first, i_last, i_token) THEN
            fused := true;
            RETURN QUERY SELECT * FROM asyncflow.add_1(p_now, i_id, i_flow, i_flow_version, i_policy, i_state, i_due, i_lead, i_priority,
                i_owner, i_limit_key, i_type, i_bytes, i_token, i_lease);
        ELSE
            RETURN QUERY SELECT * FROM asyncflow.admit_1(p_now, p_from, p_until, f_flow, i_id, i_flow, i_flow_version, i_policy, i_state, i_due,
                i_lead, i_priority, i_owner, i_limit_key, i_type, i_bytes, i_spacing, i_worth, i_unique_key, i_replace, i_key,
                i_fingerprint, i_keep, i_room, i_owner_room);
        END IF;
    END IF;
    IF e_id IS NOT NULL AND x_id IS NOT NULL THEN
        -- In one order, so that no two batches wait for each other.
        PERFORM FROM asyncflow.jobs WHERE id = ANY (e_id || x_id) ORDER BY id FOR UPDATE;
    END IF;
    IF e_id IS NOT NULL THEN
        RETURN QUERY SELECT * FROM asyncflow.end_1(p_now, p_from, p_until, e_id, e_flow, e_born, e_token, e_started, e_knows, e_to, e_keep,
            e_attempts, e_failures, e_crashes, e_crashes_in_all, e_snoozes, e_progress, e_parts, e_type, e_bytes);
    END IF;
    IF x_id IS NOT NULL THEN
        IF cardinality(spaced) > 0 THEN
            RETURN QUERY SELECT * FROM asyncflow.change_in_turn_1(p_now, p_from, p_until, x_id, x_flow, x_born, x_guard, x_version,
                x_token, x_started, x_knows, x_seen, x_to, x_due, x_youngest, x_lead, x_mark, x_attempts, x_failures, x_crashes,
                x_crashes_in_all, x_snoozes, x_reports, x_progress, x_parts, x_type, x_bytes, x_quiet, x_purge);
        ELSE
            RETURN QUERY SELECT * FROM asyncflow.apply_1(p_now, p_from, p_until, x_id, x_flow, x_born, x_guard, x_version,
                x_token, x_started, x_knows, x_seen, x_to, x_due, x_youngest, x_lead, x_mark, x_attempts, x_failures, x_crashes,
                x_crashes_in_all, x_snoozes, x_reports, x_progress, x_parts, x_type, x_bytes, x_quiet, x_purge);
        END IF;
    END IF;
    IF c_flow IS NOT NULL AND NOT (fused AND true = ALL (c_fused)) THEN
        RETURN QUERY SELECT * FROM asyncflow.claim_1(p_now, began, CASE WHEN fused THEN c_fused END, c_run, c_flow, c_id, c_versions, c_jobs,
            c_bytes, c_floor, c_new, c_token, c_lease, c_limited, c_running, c_per_key, c_one, c_all, c_key_one, c_key_all);
    END IF;
END $body$;
