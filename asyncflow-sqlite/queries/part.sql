SELECT content_type, bytes FROM whole_parts WHERE flow = ?1 AND id = ?2 AND name = ?3
