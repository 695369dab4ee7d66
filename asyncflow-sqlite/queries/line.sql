SELECT rank, id, NULL FROM jobs INDEXED BY ready
WHERE flow = ?1 AND flow_version = ?2 AND state = 1 AND limit_key IS NULL AND owner IS NULL AND (rank, id) > (?3, ?4)
ORDER BY rank, id
