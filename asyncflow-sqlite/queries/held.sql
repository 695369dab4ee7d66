SELECT jobs.*, parts.content_type, parts.bytes, parts.large
FROM jobs INDEXED BY held
LEFT JOIN parts ON parts.flow = jobs.flow AND parts.id = jobs.id AND parts.name = 0
WHERE jobs.token = ?1 AND jobs.state = 2
