INSERT INTO jobs (
    flow, id, format, flow_version, state, version, created, due, rank, priority, mark,
    attempts, failures, crashes, crashes_in_all, snoozes, owner, policy, limit_key, unique_key
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, 0, 0, 0, 0, ?11, ?12, ?13, ?14)
