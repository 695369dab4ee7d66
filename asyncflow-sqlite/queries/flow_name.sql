SELECT name FROM flows WHERE id = ?1
