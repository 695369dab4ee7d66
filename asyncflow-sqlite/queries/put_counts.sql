UPDATE flows
SET latest = ?2, scheduled = ?3, enqueued = ?4, processing = ?5, succeeded = ?6, failed = ?7, cancelled = ?8, keyed = ?9, turn = ?10
WHERE id = ?1
