SELECT * FROM jobs WHERE flow = ?1 AND id = ?2
