-- The first of each version, found by leaps through the index, and of these the first.
WITH RECURSIVE known (number) AS (
    SELECT min(flow_version) FROM jobs INDEXED BY ready WHERE flow = ?1 AND state = 1
    UNION ALL
    SELECT (SELECT min(flow_version) FROM jobs INDEXED BY ready WHERE flow = ?1 AND state = 1 AND flow_version > number)
    FROM known WHERE number IS NOT NULL
), firsts (first) AS (
    SELECT (
        SELECT id FROM jobs INDEXED BY ready WHERE flow = ?1 AND flow_version = number AND state = 1 ORDER BY rank, id LIMIT 1
    )
    FROM known
)
SELECT created FROM firsts JOIN jobs ON flow = ?1 AND id = first ORDER BY rank, id
