SELECT jobs.*, parts.content_type, parts.bytes, parts.large
FROM jobs INDEXED BY ready
LEFT JOIN parts ON parts.flow = jobs.flow AND parts.id = jobs.id AND parts.name = 0
WHERE jobs.flow = ?1 AND jobs.flow_version = ?2 AND jobs.state = 1 AND jobs.limit_key IS NULL AND jobs.owner IS NULL
ORDER BY jobs.rank, jobs.id
