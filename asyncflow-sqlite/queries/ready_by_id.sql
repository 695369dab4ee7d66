SELECT jobs.*, parts.content_type, parts.bytes, parts.large
FROM jobs
LEFT JOIN parts ON parts.flow = jobs.flow AND parts.id = jobs.id AND parts.name = 0
WHERE jobs.flow = ?1 AND jobs.id = ?2 AND jobs.state = 1
