SELECT * FROM jobs INDEXED BY held WHERE state = 2 AND due <= ?1 ORDER BY due
