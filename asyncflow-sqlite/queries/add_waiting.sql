INSERT INTO owners (flow, owner, waiting) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET waiting = waiting + excluded.waiting
