SELECT id FROM flows WHERE name = ?1
