SELECT waiting, last FROM owners WHERE flow = ?1 AND owner = ?2
