use asyncflow_core::FlowEngine;

struct NoFlow;

fn main() {
    let _ = FlowEngine::builder().flow("f", NoFlow);
}
