-- Two for each that is written, so that those of no consequence go sooner than new ones come, and no step takes long.
DELETE FROM started WHERE id IN (SELECT id FROM started INDEXED BY started_by_end WHERE paid <= ?1 ORDER BY paid LIMIT 2)
