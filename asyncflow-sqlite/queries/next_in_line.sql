-- The first of each version, found by leaps through the indexes of the queue, and of these the first.
WITH RECURSIVE known (number) AS (
    SELECT min(flow_version) FROM jobs INDEXED BY ready WHERE flow = ?1 AND state = 1 AND limit_key IS NULL AND owner IS NULL
    UNION ALL
    SELECT (
        SELECT min(flow_version) FROM jobs INDEXED BY ready
        WHERE flow = ?1 AND state = 1 AND limit_key IS NULL AND owner IS NULL AND flow_version > number
    )
    FROM known WHERE number IS NOT NULL
), known_keyed (number) AS (
    SELECT min(flow_version) FROM jobs INDEXED BY ready_keyed
    WHERE flow = ?1 AND state = 1 AND coalesce(limit_key, owner) IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(flow_version) FROM jobs INDEXED BY ready_keyed
        WHERE flow = ?1 AND state = 1 AND coalesce(limit_key, owner) IS NOT NULL AND flow_version > number
    )
    FROM known_keyed WHERE number IS NOT NULL
), firsts (first) AS (
    SELECT (
        SELECT id FROM jobs INDEXED BY ready
        WHERE flow = ?1 AND flow_version = number AND state = 1 AND limit_key IS NULL AND owner IS NULL ORDER BY rank, id LIMIT 1
    )
    FROM known
    UNION ALL
    SELECT (
        SELECT id FROM jobs INDEXED BY ready_keyed
        WHERE flow = ?1 AND flow_version = number AND state = 1 AND coalesce(limit_key, owner) IS NOT NULL ORDER BY rank, id LIMIT 1
    )
    FROM known_keyed
)
SELECT created FROM firsts JOIN jobs ON flow = ?1 AND id = first ORDER BY rank, id
