SELECT id FROM policies WHERE policy = ?1
