SELECT * FROM jobs
WHERE flow = ?1 AND id > ?2 AND mark < 2 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR owner = ?4)
ORDER BY id
