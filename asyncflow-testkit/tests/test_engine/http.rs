//! The engine is a real one: it is mounted as it is, and hit with requests.

use asyncflow_core::{FlowEngine, FlowOptions, JobId, State};
use asyncflow_testkit::TestEngine;
use asyncflow_tower::FlowService;
use axum::Router;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use super::{SECOND, mail};

struct App {
    test: TestEngine,
    router: Router,
}

impl App {
    async fn start() -> Self {
        let options = FlowOptions::new().timeout(30 * SECOND);
        let flows = FlowEngine::builder().flow_with("mail", super::deliver, options);
        let test = TestEngine::start(flows).await;
        let router = Router::new().nest_service("/jobs", FlowService::new(test.engine().clone()));
        Self { test, router }
    }

    async fn send(&self, method: Method, path: &str, prefer: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path).header("prefer", prefer);
        let request = request.header("content-type", "application/json").body(Full::<Bytes>::from(r#"{"to":"ann"}"#));
        let answer = self.router.clone().oneshot(request.unwrap().map(axum::body::Body::new)).await.unwrap();
        let status = answer.status();
        (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().into()).unwrap())
    }

    async fn post(&self) -> JobId {
        let (status, body) = self.send(Method::POST, "/jobs/mail", "").await;
        assert_eq!(status, StatusCode::ACCEPTED);
        body.split('"').nth(3).unwrap().parse().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_posted_job_is_checked_run_and_read() {
    let app = App::start().await;
    let id = app.post().await;
    assert_eq!(app.test.enqueued("mail").request(mail("ann")).assert_one().id(), id);
    let result = format!("/jobs/mail/{id}/result");
    assert_eq!(app.send(Method::GET, &result, "").await.0, StatusCode::ACCEPTED);
    app.test.run_all().await;
    assert_eq!(app.send(Method::GET, &result, "").await, (StatusCode::OK, "\"to ann\"".into()));
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_beside_the_run_or_until_its_time_is_over() {
    let app = App::start().await;
    let waits = app.send(Method::POST, "/jobs/mail", "wait=10");
    let runs = async {
        app.test.advance(SECOND).await;
        app.test.run_next("mail").await
    };
    let (answer, job) = tokio::join!(waits, runs);
    assert_eq!(answer, (StatusCode::OK, "\"to ann\"".into()));
    assert_eq!(job.state(), State::Succeeded);
    let before = app.test.now();
    assert_eq!(app.send(Method::POST, "/jobs/mail", "wait=10").await.0, StatusCode::ACCEPTED);
    assert!(app.test.now() >= before + 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_a_503_and_a_deleted_job_is_gone() {
    let app = App::start().await;
    app.test.store_faults().away(true);
    assert_eq!(app.send(Method::POST, "/jobs/mail", "").await.0, StatusCode::SERVICE_UNAVAILABLE);
    app.test.store_faults().away(false);
    let id = app.post().await;
    assert_eq!(app.send(Method::DELETE, &format!("/jobs/mail/{id}"), "").await.0, StatusCode::NO_CONTENT);
    app.test.enqueued("mail").assert_none();
    assert!(app.test.job(id).is_none());
}
