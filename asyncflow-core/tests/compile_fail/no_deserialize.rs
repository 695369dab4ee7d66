use asyncflow_core::{FlowEngine, JobContext};

struct Request;

fn main() {
    let _ = FlowEngine::builder().flow("f", |_: Request, _: JobContext| async move { Ok::<_, String>(1) });
}
