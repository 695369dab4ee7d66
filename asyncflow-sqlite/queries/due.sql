SELECT * FROM jobs INDEXED BY due WHERE state <> 2 AND due <= ?1 ORDER BY due
