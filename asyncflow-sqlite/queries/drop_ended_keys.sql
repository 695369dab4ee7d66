-- Two for each that comes, so that ended keys go sooner than new ones come, and no step takes long.
DELETE FROM keys WHERE id IN (SELECT id FROM keys INDEXED BY keys_by_end WHERE until <= ?1 ORDER BY until LIMIT 2)
