//! From a submit to the handler's first line, against from a spawn to the task's first line.
//!
//! `latency [SAMPLES]`

use std::{
    convert::Infallible,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use asyncflow_core::{BoxError, FlowEngine, FlowHandle, JobContext};
use bench_engine::{argument, report, share};

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// When the last one began, in nanoseconds; 0 until it has.
static FIRST_LINE: AtomicU64 = AtomicU64::new(0);

fn first_line() {
    FIRST_LINE.store(now(), Ordering::Release);
}

fn now() -> u64 {
    BEGAN.elapsed().as_nanos() as u64
}

/// Nanoseconds from this time to the first line; whoever is to write it gets its turn.
async fn until_first_line(from: u64) -> f64 {
    loop {
        match FIRST_LINE.swap(0, Ordering::AcqRel) {
            0 => tokio::task::yield_now().await,
            at => return (at - from) as f64,
        }
    }
}

async fn flow(_: (), _: JobContext) -> Result<(), Infallible> {
    first_line();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let engine = FlowEngine::builder().flow("first_line", flow).start().await?;
    let flow: FlowHandle<(), ()> = engine.flow("first_line")?;
    let samples = argument(1, 100_000);
    // From within a worker thread of the runtime, as a server would.
    let measured = tokio::spawn(async move {
        let (mut spawned, mut submitted) = (Vec::new(), Vec::new());
        for sample in 0..2 * samples {
            let from = now();
            // The first half warms up.
            if sample % 2 == 0 {
                tokio::spawn(async { first_line() });
                spawned.push(until_first_line(from).await);
            } else {
                flow.submit(()).await?;
                submitted.push(until_first_line(from).await);
            }
        }
        Ok::<_, BoxError>([spawned, submitted].map(|all| all[samples / 2..].to_vec()))
    });
    let [mut spawned, mut submitted] = measured.await??;
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        let (spawn, submit) = (share(&mut spawned, part), share(&mut submitted, part));
        report(&format!("spawn_{name}_ns"), spawn);
        report(&format!("submit_{name}_ns"), submit);
    }
    Ok(())
}
