UPDATE jobs
SET due = ?3, version = ?4, mark = ?5, attempts = ?6, failures = ?7, crashes = ?8, crashes_in_all = ?9, snoozes = ?10,
    progress = ?11, state = ?12, started = ?13, ended = ?14, rank = ?15, token = ?16
WHERE flow = ?1 AND id = ?2
