DELETE FROM parts WHERE flow = ?1 AND id = ?2 AND name = 0
