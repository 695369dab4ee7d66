INSERT OR REPLACE INTO settings (one, version, settings) VALUES (1, ?1, ?2)
