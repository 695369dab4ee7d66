INSERT INTO flows (name, latest) VALUES (?1, ?2)
