INSERT OR REPLACE INTO owners (flow, owner, waiting, last) VALUES (?1, ?2, ?3, ?4)
