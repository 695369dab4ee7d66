use asyncflow_core::{FlowEngine, JobContext};

struct Response;

fn main() {
    let _ = FlowEngine::builder().flow("f", |_: u32, _: JobContext| async move { Ok::<_, String>(Response) });
}
