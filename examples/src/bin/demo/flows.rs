//! The flows: one of every kind of behaviour.

use std::{borrow::Cow, convert::Infallible, fmt, thread::available_parallelism, time::Duration};

use asyncflow_core::{
    BoxError, EngineBuilder, Flow, FlowEngine, FlowOptions, JobContext, Progress, Retry, TokioExecutor, blocking,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::{
    cli::{Executor, Options},
    textstats::{self, textstats},
};

/// How often a job's process may die before the job fails.
const MOST_CRASHES: u8 = 100;
/// How often a `flaky` job may fail.
const MOST_FAILURES: u32 = 99;

/// An engine that was started with every flow.
pub(crate) async fn engine(options: &Options) -> Result<FlowEngine, BoxError> {
    let builder = FlowEngine::builder().shared_store(options.store.open().await?).role(options.role.into());
    let builder = match options.executor {
        Executor::Tokio => builder.executor(TokioExecutor::new()),
    };
    let builder = match options.lease {
        Some(lease) => builder.lease(lease),
        None => builder,
    };
    Ok(with_flows(builder, options.concurrency.map(Into::into)).start().await?)
}

fn with_flows(builder: EngineBuilder, concurrency: Option<usize>) -> EngineBuilder {
    // Who tries the demo kills it more often than any job deserves.
    let patient = || FlowOptions::new().max_crashes(MOST_CRASHES);
    let options = || concurrency.map_or_else(patient, |jobs| patient().concurrency(jobs));
    // More at once than there are cores would only share them.
    let cores = available_parallelism().map_or(1, usize::from);
    builder
        .flow_with("data", GenerateData, options())
        .flow_with("echo", echo, options())
        .flow_with("sleep", doze, options())
        .flow_with("stubborn", stubborn, options())
        .flow_with("fail", fail, options())
        .flow_with("flaky", flaky, options().retry(Retry::fixed(MOST_FAILURES + 1, Duration::from_millis(100))))
        .flow_with("panic", panics, options())
        .flow_with(
            "textstats",
            blocking(textstats),
            options()
                .concurrency(concurrency.unwrap_or(cores))
                .max_request(textstats::MOST_BODY)
                .max_bytes(textstats::MOST_AT_ONCE),
        )
}

/// Steps that take their time, with progress.
struct GenerateData;

#[derive(Deserialize)]
struct GenerateDataRequest {
    count: i64,
}

#[derive(Serialize)]
struct GenerateDataResponse {
    data: &'static str,
}

impl Flow for GenerateData {
    type Request = GenerateDataRequest;
    type Response = GenerateDataResponse;
    type Error = GenerateDataError;

    async fn process(&self, request: GenerateDataRequest, job: JobContext) -> Result<Self::Response, Self::Error> {
        let steps = match request.count {
            -1 => 0,
            -2 => return Err(GenerateDataError::Argument),
            count => count.clamp(1, 100) as u32,
        };
        for step in 1..=steps {
            tokio::select! {
                biased;
                () = job.cancelled() => return Err(GenerateDataError::Stopped),
                () = sleep(Duration::from_millis(100)) => {}
            }
            job.progress(Progress::new("Generating Data").percentage(step * 100 / steps));
        }
        Ok(GenerateDataResponse { data: "Ahmed" })
    }

    fn error_type(error: &GenerateDataError) -> Cow<'static, str> {
        Cow::Borrowed(match error {
            GenerateDataError::Argument => "ArgumentError",
            GenerateDataError::Stopped => "Stopped",
        })
    }
}

#[derive(Debug)]
enum GenerateDataError {
    Argument,
    Stopped,
}

impl fmt::Display for GenerateDataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => f.write_str("count must not be -2"),
            Self::Stopped => Stopped.fmt(f),
        }
    }
}

impl std::error::Error for GenerateDataError {}

/// The handler stopped because it was told to.
#[derive(Debug)]
pub(crate) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job was told to stop")
    }
}

impl std::error::Error for Stopped {}

async fn echo(json: Box<RawValue>, _: JobContext) -> Result<Box<RawValue>, Infallible> {
    Ok(json)
}

#[derive(Serialize, Deserialize)]
struct Doze {
    ms: u64,
}

async fn doze(doze: Doze, job: JobContext) -> Result<Doze, Stopped> {
    tokio::select! {
        biased;
        () = job.cancelled() => Err(Stopped),
        () = sleep(Duration::from_millis(doze.ms)) => Ok(doze),
    }
}

async fn stubborn(doze: Doze, _: JobContext) -> Result<Doze, Infallible> {
    sleep(Duration::from_millis(doze.ms)).await;
    Ok(doze)
}

#[derive(Deserialize)]
struct Fail {
    message: String,
}

#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

async fn fail(request: Fail, _: JobContext) -> Result<(), Failure> {
    Err(Failure(request.message))
}

#[derive(Deserialize)]
struct Flaky {
    failures: u32,
}

#[derive(Serialize)]
struct Attempts {
    attempts: u32,
}

async fn flaky(request: Flaky, job: JobContext) -> Result<Attempts, Failure> {
    let failures = request.failures.min(MOST_FAILURES);
    match job.attempt() {
        attempt if attempt <= failures => Err(Failure(format!("failure {attempt} of {failures}"))),
        _ => Ok(Attempts { attempts: failures + 1 }),
    }
}

async fn panics(_: IgnoredAny, _: JobContext) -> Result<(), Infallible> {
    panic!("this flow always panics")
}
