SELECT scheduled, enqueued, processing, succeeded, failed, cancelled FROM flows WHERE id = ?1
