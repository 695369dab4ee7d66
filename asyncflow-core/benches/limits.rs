//! What limits cost: whole lives of short jobs of twenty owners on three engines over one memory store, with and without, in turns.
//!
//! `cargo bench -p asyncflow-core --bench limits [-- rounds]`

#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::time::{Duration, Instant};

use asyncflow_core::{
    FlowEngine, FlowHandle, FlowOptions, JobContext, Limits, MemoryStore, Rate, State, Store, SubmitOptions,
};

const JOBS: u64 = 60_000;
const OWNERS: u64 = 20;
const NODES: usize = 3;

fn main() {
    let rounds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(9);
    let often = Rate::new(1_000_000, Duration::from_secs(1));
    let limits = Limits::new().running(300).running_per_key(30).rate(often).rate_per_key(often);
    let kinds = [
        ("without limits", FlowOptions::new()),
        ("with running, running_per_key, rate, rate_per_key", FlowOptions::new().limits(limits)),
        ("with owners in turn", FlowOptions::new().fair(true)),
    ];
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for ((_, options), rates) in kinds.iter().zip(&mut rates) {
            rates.push(lives(options.clone()));
        }
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let without = median(&mut rates[0]);
    for ((name, _), rates) in kinds.iter().zip(&mut rates) {
        let rate = median(rates);
        println!("{name}: {rate:.0} lives/s, {:.2} of those without limits", rate / without);
    }
}

/// Whole lives a second.
fn lives(options: FlowOptions) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let store = MemoryStore::new();
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let builder = FlowEngine::builder().store(store.clone());
            nodes.push(builder.flow_with("work", work, options.clone()).start().await.unwrap());
        }
        let began = Instant::now();
        let submitters: Vec<_> = (0..NODES).map(|n| tokio::spawn(submit(nodes[n].flow("work").unwrap()))).collect();
        for submitter in submitters {
            submitter.await.unwrap();
        }
        while store.counts("work").await.unwrap().of(State::Succeeded) < JOBS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let rate = JOBS as f64 / began.elapsed().as_secs_f64();
        for node in nodes {
            node.shutdown(Duration::from_secs(1)).await;
        }
        rate
    })
}

async fn work(n: u64, _job: JobContext) -> Result<u64, String> {
    tokio::task::yield_now().await;
    Ok(n)
}

async fn submit(flow: FlowHandle<u64, u64>) {
    for n in 0..JOBS / NODES as u64 {
        let owner = format!("owner-{}", n % OWNERS);
        flow.submit_with(n, SubmitOptions::new().owner(owner)).await.unwrap();
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
}
