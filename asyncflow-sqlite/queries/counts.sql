SELECT scheduled, enqueued, processing, succeeded, failed, cancelled, keyed, turn FROM flows WHERE id = ?1
