use std::rc::Rc;

use asyncflow_core::{Flow, JobContext};

struct NoSend;

impl Flow for NoSend {
    type Request = u32;
    type Response = u32;
    type Error = String;

    async fn process(&self, n: u32, job: JobContext) -> Result<u32, String> {
        let n = Rc::new(n);
        job.cancelled().await;
        Ok(*n)
    }
}

fn main() {}
