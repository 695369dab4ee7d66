INSERT OR REPLACE INTO parts (flow, id, name, content_type, bytes, large) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
