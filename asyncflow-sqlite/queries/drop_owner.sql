DELETE FROM owners WHERE flow = ?1 AND owner = ?2
