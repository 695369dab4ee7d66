INSERT INTO policies (policy) VALUES (?1)
