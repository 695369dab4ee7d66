//! Wherever a user's code panics, its job ends and its slot comes back.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{future::pending, sync::Arc, time::Duration};

use asyncflow_core::{
    FlowEngine, FlowOptions, JobContext, JobError, JobHandle, MemoryStore, Stamp, State, TokioClock, WaitError,
    blocking,
};

const SECOND: Duration = Duration::from_secs(1);

/// Panics when it is dropped, unless the thread does already.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a bomb");
        }
    }
}

async fn holds_a_bomb(_: (), _: JobContext) -> Result<(), String> {
    let _bomb = Bomb;
    pending().await
}

async fn throws_a_bomb(_: (), _: JobContext) -> Result<(), String> {
    std::panic::panic_any(Bomb)
}

/// An error that cannot say what it is.
#[derive(Debug)]
struct Speechless;

impl std::fmt::Display for Speechless {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("speechless")
    }
}

impl std::error::Error for Speechless {}

async fn fails_speechless(_: (), _: JobContext) -> Result<(), Speechless> {
    Err(Speechless)
}

async fn engine() -> FlowEngine {
    let clock = TokioClock::at(Stamp::from_micros(1_700_000_000_000_000));
    let one = || FlowOptions::new().concurrency(1);
    FlowEngine::builder()
        .store(MemoryStore::with_clock(Arc::new(clock)))
        .flow_with("holds", holds_a_bomb, one())
        .flow_with("times_out", holds_a_bomb, one().timeout(SECOND))
        .flow_with("throws", throws_a_bomb, one())
        .flow_with("speechless", fails_speechless, one())
        .flow_with("long", |_: (), _: JobContext| async { Err::<(), _>("x".repeat(10_000_000)) }, one())
        .start()
        .await
        .unwrap()
}

async fn submit(engine: &FlowEngine, flow: &str) -> JobHandle<()> {
    engine.flow::<(), ()>(flow).unwrap().submit(()).await.unwrap()
}

async fn kind(job: JobHandle<()>) -> String {
    let Err(WaitError::Failed(error)) = job.wait().await else { panic!("no failure") };
    error.kind
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_as_it_is_dropped_ends_as_it_should() {
    let engine = engine().await;
    for _ in 0..2 {
        let job = submit(&engine, "holds").await;
        tokio::time::sleep(SECOND).await;
        job.cancel().await.unwrap();
        tokio::time::sleep(11 * SECOND).await;
        assert_eq!(job.status().await.unwrap().unwrap().state(), State::Cancelled);
        assert_eq!(kind(submit(&engine, "times_out").await).await, JobError::TIMED_OUT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_whose_payload_panics_is_a_panic() {
    let engine = engine().await;
    assert_eq!(kind(submit(&engine, "throws").await).await, JobError::PANICKED);
    assert_eq!(kind(submit(&engine, "throws").await).await, JobError::PANICKED);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_panics_as_it_is_read_is_a_panic() {
    assert_eq!(kind(submit(&engine().await, "speechless").await).await, JobError::PANICKED);
}

#[tokio::test]
async fn a_panic_is_placed_where_it_happened() {
    let engine = FlowEngine::builder()
        .flow("blocks", blocking(|_: (), _: JobContext| -> Result<(), String> { panic!("in a thread") }))
        .start()
        .await
        .unwrap();
    let Err(WaitError::Failed(error)) = submit(&engine, "blocks").await.wait().await else { panic!("no failure") };
    let detail = error.detail.unwrap();
    assert!(detail.contains("engine_panics.rs") && detail.contains("in a thread"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn an_error_says_so_much_and_no_more() {
    let Err(WaitError::Failed(error)) = submit(&engine().await, "long").await.wait().await else { panic!() };
    assert!(error.message.len() < 70_000);
}
