INSERT OR REPLACE INTO running (flow, key, jobs) VALUES (?1, ?2, ?3)
