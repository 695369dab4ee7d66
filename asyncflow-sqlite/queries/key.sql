SELECT job, created, fingerprint FROM keys WHERE flow = ?1 AND owner = ?2 AND key = ?3 AND until > ?4
