UPDATE jobs
SET due = ?3, version = ?4, mark = ?5, attempts = ?6, failures = ?7, crashes = ?8, crashes_in_all = ?9, snoozes = ?10,
    progress = ?11
WHERE flow = ?1 AND id = ?2
