SELECT content_type, iif(large IS NULL, bytes, (SELECT bytes FROM large WHERE id = parts.large))
FROM parts
WHERE flow = ?1 AND id = ?2 AND name = ?3
