SELECT content_type, bytes, large FROM parts WHERE flow = ?1 AND id = ?2 AND name = ?3
