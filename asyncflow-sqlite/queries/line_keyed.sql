SELECT rank, id, coalesce(limit_key, owner) FROM jobs INDEXED BY ready_keyed
WHERE flow = ?1 AND flow_version = ?2 AND state = 1 AND coalesce(limit_key, owner) IS NOT NULL AND (rank, id) > (?3, ?4)
ORDER BY rank, id
