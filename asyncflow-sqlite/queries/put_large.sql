INSERT INTO large (bytes) VALUES (?1)
