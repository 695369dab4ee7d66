INSERT INTO started (flow, key, paid) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET paid = excluded.paid
