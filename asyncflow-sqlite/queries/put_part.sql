INSERT OR REPLACE INTO parts (flow, id, name, content_type, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
