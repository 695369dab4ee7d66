use asyncflow_core::{FlowEngine, JobContext};

fn main() {
    let _ = FlowEngine::builder().flow("f", |n: u32, _: JobContext| async move { n + 1 });
}
