use asyncflow_core::{FlowEngine, JobContext};

struct Wrong;

fn main() {
    let _ = FlowEngine::builder().flow("f", |_: u32, _: JobContext| async move { Err::<u32, _>(Wrong) });
}
