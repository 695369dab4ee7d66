INSERT OR REPLACE INTO keys (flow, owner, key, job, created, fingerprint, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
