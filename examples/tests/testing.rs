//! How an application tests its jobs: what its endpoints enqueue, what its handlers make of it, and what comes of it when things go
//! wrong. Without a socket, without a sleep, and with nothing of the application replaced.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use asyncflow_core::{
    EngineBuilder, FlowEngine, FlowHandle, FlowOptions, JobContext, JobId, Retry, State, SubmitOptions,
};
use asyncflow_testkit::TestEngine;
use asyncflow_tower::FlowService;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, State as App},
    http::{Method, Request, StatusCode},
    routing::post,
};
use tower::ServiceExt;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

// The application, as its `main` builds it too: with a store and `start` of its own.

/// The flows, for production and tests alike.
fn flows(engine: EngineBuilder) -> EngineBuilder {
    let welcome = FlowOptions::new().retry(Retry::fixed(3, MINUTE)).timeout(MINUTE);
    engine.flow_with("welcome", welcome_mail, welcome).flow("survey", survey)
}

async fn welcome_mail(name: String, _: JobContext) -> Result<String, std::io::Error> {
    Ok(format!("welcome, {name}"))
}

async fn survey(name: String, _: JobContext) -> Result<String, std::io::Error> {
    Ok(format!("how do you like it, {name}?"))
}

/// Its endpoints: one of its own, which enqueues, and those of the jobs.
fn app(engine: &FlowEngine) -> Router {
    Router::new()
        .route("/signup/{name}", post(sign_up))
        .with_state(engine.clone())
        .nest_service("/jobs", FlowService::new(engine.clone()))
}

async fn sign_up(App(engine): App<FlowEngine>, Path(name): Path<String>) -> StatusCode {
    let welcome: FlowHandle<String, String> = engine.flow("welcome").unwrap();
    let survey: FlowHandle<String, String> = engine.flow("survey").unwrap();
    let in_a_day = SubmitOptions::new().run_in(DAY).owner(name.clone()).priority(-5);
    match (welcome.submit(name.clone()).await, survey.submit_with(name, in_a_day).await) {
        (Ok(_), Ok(_)) => StatusCode::CREATED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

// Its tests.

async fn start() -> (TestEngine, Router) {
    let test = TestEngine::start(flows(FlowEngine::builder())).await;
    let app = app(test.engine());
    (test, app)
}

async fn send(app: &Router, method: Method, path: &str, body: &'static str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let answer = app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    (head.status, String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().into()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_welcome_reaches_its_reader_though_the_mail_server_is_away() {
    let test = TestEngine::start(flows(FlowEngine::builder())).await;
    let request = Request::post("/signup/ann").body(Body::empty()).unwrap();
    assert_eq!(app(test.engine()).oneshot(request).await.unwrap().status(), 201);

    test.enqueued("welcome").request("ann".to_owned()).assert_one();
    test.fail_next("welcome", "the mail server is away");
    test.run_next("welcome").await; // the flow's retry policy puts it off for a minute
    test.advance(Duration::from_secs(60)).await;
    assert_eq!(test.run_next("welcome").await.result::<String>(), "welcome, ann");
}

/// The README shows the test above, as it is.
#[test]
fn the_readme_shows_a_test_that_runs() {
    let (readme, this) = (include_str!("../../README.md"), include_str!("testing.rs"));
    let (_, shown) = readme.split_once("```rust,ignore\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert!(shown.starts_with("#[tokio::test(start_paused = true)]\n") && this.contains(shown), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_job_for_later_runs_when_its_time_has_come() {
    let (test, app) = start().await;
    send(&app, Method::POST, "/signup/ann", "").await;
    test.enqueued("survey").owner("ann").priority(-5).run_in(DAY).assert_one();
    // What is ready runs; what is put off does not, before its time.
    assert_eq!(test.run_all().await.len(), 1);
    test.advance(DAY).await;
    assert_eq!(test.run_next("survey").await.result::<String>(), "how do you like it, ann?");
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_tested_by_itself() {
    let (test, _) = start().await;
    let job = test.perform("welcome", "bob").await;
    assert_eq!((job.state(), job.result::<String>().as_str()), (State::Succeeded, "welcome, bob"));
}

#[tokio::test(start_paused = true)]
async fn a_client_polls_and_gets_its_result() {
    let (test, app) = start().await;
    let (status, body) = send(&app, Method::POST, "/jobs/welcome", "\"eve\"").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let id: JobId = body.split('"').nth(3).unwrap().parse().unwrap();
    let result = format!("/jobs/welcome/{id}/result");
    assert_eq!(send(&app, Method::GET, &result, "").await.0, StatusCode::ACCEPTED);
    test.run_all().await;
    assert_eq!(send(&app, Method::GET, &result, "").await, (StatusCode::OK, "\"welcome, eve\"".into()));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_tried_again_and_given_up() {
    let (test, _) = start().await;
    for _ in 0..3 {
        test.hang_next("welcome");
    }
    test.engine().flow::<String, String>("welcome").unwrap().submit("ann".into()).await.unwrap();
    let attempts = test.run_to_end().await;
    assert_eq!(attempts.iter().map(|job| job.state()).collect::<Vec<_>>(), {
        [State::Scheduled, State::Scheduled, State::Failed]
    });
    assert_eq!(attempts[2].error().kind, "TimedOut");
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_costs_an_attempt_and_no_job() {
    let (test, app) = start().await;
    send(&app, Method::POST, "/signup/ann", "").await;
    test.lose_next("welcome");
    assert_eq!(test.run_next("welcome").await.state(), State::Processing);
    test.advance(MINUTE).await;
    assert_eq!(test.run_next("welcome").await.result::<String>(), "welcome, ann");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_says_so_when_the_store_is_away() {
    let (test, app) = start().await;
    test.store_faults().away(true);
    assert_eq!(send(&app, Method::POST, "/signup/ann", "").await.0, StatusCode::SERVICE_UNAVAILABLE);
    test.store_faults().away(false);
    test.jobs("welcome").assert_none();
}
