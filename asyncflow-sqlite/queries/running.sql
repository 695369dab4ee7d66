SELECT jobs FROM running WHERE flow = ?1 AND key = ?2
