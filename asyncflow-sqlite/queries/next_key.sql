-- The first key that is not before this one, which is bytes: what is no text in the file stops no other. The plus takes the affinity off
-- the cast: with one, it would not be looked up in the index, but compared with each row.
SELECT CAST(coalesce(limit_key, owner) AS BLOB) FROM jobs INDEXED BY ready_by_key
WHERE flow = ?1 AND flow_version = ?2 AND state = 1 AND coalesce(limit_key, owner) IS NOT NULL
    AND coalesce(limit_key, owner) >= +CAST(?3 AS TEXT)
ORDER BY coalesce(limit_key, owner)
