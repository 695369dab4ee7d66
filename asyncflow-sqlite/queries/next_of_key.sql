SELECT rank, id, NULL FROM jobs INDEXED BY ready_by_key
WHERE flow = ?1 AND flow_version = ?2 AND state = 1 AND coalesce(limit_key, owner) IS NOT NULL AND coalesce(limit_key, owner) = ?3
    AND (rank, id) > (?4, ?5)
ORDER BY rank, id
