-- The first job of the key after this one.
SELECT rank, id, coalesce(limit_key, owner) FROM jobs INDEXED BY ready_by_key
WHERE flow = ?1 AND flow_version = ?2 AND state = 1 AND coalesce(limit_key, owner) IS NOT NULL AND coalesce(limit_key, owner) > ?3
ORDER BY coalesce(limit_key, owner), rank, id
