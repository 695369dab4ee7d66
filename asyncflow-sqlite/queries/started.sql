SELECT paid FROM started WHERE flow = ?1 AND key = ?2
