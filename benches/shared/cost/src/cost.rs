//! Round trips of a life, and what hints cost.

use std::time::Duration;

use asyncflow_core::{FlowEngine, FlowOptions};
use asyncflow_testkit::store::Subject;
use bench_engine::{body, echo, report, share};
use serde_json::value::RawValue;

use crate::{
    Failed, lives,
    server::{Measured, used_here},
};

/// One turn.
const TURN: Duration = Duration::from_millis(500);
const MANY: usize = 64;

pub(crate) async fn measure(kind: &str, rounds: usize) -> Result<(), Failed> {
    let mut measured = Measured::start(kind).await?;
    report("trips_with_room", trips(&mut measured, 1, 100, 300).await?);
    report("trips_without_room", trips(&mut measured, 2, 1, 600).await?);
    report("trips_64", trips(&mut measured, MANY, MANY, 6000).await?);
    report("trips_256", trips(&mut measured, 256, 256, 12_000).await?);
    hints(&measured, rounds).await
}

/// Batches a job, where so many callers each wait for their job's end before they submit the next, on a node that runs so many at once.
async fn trips(measured: &mut Measured, callers: usize, slots: usize, jobs: usize) -> Result<f64, Failed> {
    let options = FlowOptions::new().concurrency(slots);
    let builder = FlowEngine::builder().shared_store(measured.store(true).await?);
    let engine = builder.flow_with("echo", echo, options).start().await?;
    let flow = engine.flow::<Box<RawValue>, Box<RawValue>>("echo")?;
    flow.submit(body()).await?.wait().await?;
    let before = measured.batches().await?;
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let (flow, its) = (flow.clone(), (caller..jobs).step_by(callers));
            tokio::spawn(async move {
                for _ in its {
                    flow.submit(body()).await?.wait().await?;
                }
                Ok::<_, Failed>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    let batches = measured.batches().await? - before;
    engine.shutdown(Duration::from_secs(5)).await;
    Ok(batches as f64 / jobs as f64)
}

/// Processor time of a life with hints, which somebody hears, and without, in turns.
async fn hints(measured: &Measured, rounds: usize) -> Result<(), Failed> {
    let stores = [measured.store(false).await?, measured.store(true).await?];
    let _heard = stores[1].hints();
    let subjects = stores.map(lives::subject);
    let (mut cpu, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for round in 0..=rounds {
        let mut one = [0.0; 2];
        for turn in 0..2 {
            let which = (turn + round) % 2;
            one[which] = life(measured, &subjects[which]).await?;
        }
        if round > 0 {
            cpu.iter_mut().zip(one).for_each(|(all, one)| all.push(one));
            ratios.push(one[1] / one[0]);
        }
    }
    report("cpu_us_without_hints", share(&mut cpu[0], 0.5));
    report("cpu_us_with_hints", share(&mut cpu[1], 0.5));
    report("hints_cost", share(&mut ratios, 0.5));
    Ok(())
}

/// Microseconds of processor time a job, here and in the server, in batches of one size: how many callers gather differs from run to run, and
/// counts for more.
async fn life(measured: &Measured, subject: &Subject) -> Result<f64, Failed> {
    let before = measured.used() + used_here();
    let lives = lives::in_batches(subject, MANY, TURN).await?;
    Ok((measured.used() + used_here() - before).as_secs_f64() * 1e6 / lives as f64)
}
