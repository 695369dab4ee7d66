SELECT * FROM jobs INDEXED BY live
WHERE flow = ?1 AND coalesce(owner, 0) = ?2 AND unique_key = ?3 AND unique_key IS NOT NULL AND state < 3 AND mark < 2
