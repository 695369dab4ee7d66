//! The engine for users' tests: what it does, and what it says when a check fails.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod checks;
mod faults;
mod http;
mod running;
mod time;

use std::{fmt, panic::AssertUnwindSafe, time::Duration};

use asyncflow_core::{Again, FlowEngine, FlowHandle, FlowOptions, JobContext, Progress, Retry, SubmitOptions};
use asyncflow_testkit::TestEngine;
use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Mail {
    to: String,
}

#[derive(Debug)]
struct NoSuchAddress;

impl fmt::Display for NoSuchAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody lives there")
    }
}

impl std::error::Error for NoSuchAddress {}

fn mail(to: &str) -> Mail {
    Mail { to: to.to_owned() }
}

/// Delivers, and says to whom.
async fn deliver(mail: Mail, job: JobContext) -> Result<String, NoSuchAddress> {
    job.progress(Progress::new("knocking"));
    if mail.to == "nobody" { Err(NoSuchAddress) } else { Ok(format!("to {}", mail.to)) }
}

/// Sleeps so many seconds, and is tried three times, a minute apart and for a minute at most.
async fn sleep(seconds: u64, job: JobContext) -> Result<u32, String> {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok(job.attempt())
}

/// Puts itself off for an hour, once.
async fn snooze(_: (), job: JobContext) -> Result<(), Again> {
    static SEEN: std::sync::Mutex<Vec<asyncflow_core::JobId>> = std::sync::Mutex::new(Vec::new());
    let mut seen = SEEN.lock().unwrap();
    if seen.contains(&job.id()) {
        return Ok(());
    }
    seen.push(job.id());
    Err(Again::snooze(60 * MINUTE))
}

async fn start() -> TestEngine {
    let retried = FlowOptions::new().retry(Retry::fixed(3, MINUTE)).timeout(MINUTE).concurrency(2);
    let flows = FlowEngine::builder()
        .flow("mail", deliver)
        .flow_with("sleep", sleep, retried)
        .flow("snooze", snooze)
        .remote::<u32, u32>("elsewhere", FlowOptions::new());
    TestEngine::start(flows).await
}

fn mails(test: &TestEngine) -> FlowHandle<Mail, String> {
    test.engine().flow("mail").unwrap()
}

async fn submit(test: &TestEngine, to: &str) {
    mails(test).submit(mail(to)).await.unwrap();
}

async fn submit_with(test: &TestEngine, to: &str, options: SubmitOptions) {
    mails(test).submit_with(mail(to), options).await.unwrap();
}

/// What `f` panics with.
fn says<T>(f: impl FnOnce() -> T) -> String {
    text(std::panic::catch_unwind(AssertUnwindSafe(f)).err())
}

/// What a future panics with.
async fn says_later<T>(future: impl Future<Output = T>) -> String {
    let mut future = std::pin::pin!(future);
    let caught = std::future::poll_fn(|context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(polled) => polled.map(|_| None),
            Err(panic) => std::task::Poll::Ready(Some(panic)),
        }
    });
    text(caught.await)
}

fn text(panic: Option<Box<dyn std::any::Any + Send>>) -> String {
    let panic = panic.expect("it did not panic");
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned())
}
