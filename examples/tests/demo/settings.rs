//! What each setting changes.

use serde_json::json;

use crate::process::{Demo, FRAMEWORKS};

#[tokio::test]
async fn a_prefix_is_before_the_flows_alone() {
    for framework in FRAMEWORKS {
        let demo = Demo::start(&["--framework", framework, "--prefix", "/api/v1"]);
        let mut client = demo.client().await;
        let job = client.submit("/api/v1/echo", "1").await;
        assert_eq!(client.result(&job).await, 1);
        assert_eq!(client.get("/health").await.status, 200);
        for path in ["/echo", "/api/v1", "/api/v1/health", "/api/v1echo"] {
            assert_eq!(client.send("POST", path, &[], "1").await.status, 404, "{path} on {framework}");
        }
    }
}

#[tokio::test]
async fn urls_are_relative_unless_a_base_is_set() {
    let demo = Demo::start(&[]);
    let accepted = demo.client().await.send("POST", "/echo", &[], "1").await;
    assert!(accepted.header("location").starts_with("echo/"), "{accepted:?}");
    let demo = Demo::start(&["--base-url", "https://example.com/api/", "--prefix", "/api"]);
    let accepted = demo.client().await.send("POST", "/api/echo", &[], "1").await;
    assert!(accepted.header("location").starts_with("https://example.com/api/echo/"), "{accepted:?}");
}

#[tokio::test]
async fn members_have_the_case_that_is_asked_for() {
    let demo = Demo::start(&["--naming", "camel"]);
    let accepted = demo.client().await.send("POST", "/echo", &[], "1").await.json();
    assert!(accepted["requestId"].is_string() && accepted["dateTime"].is_string(), "{accepted}");
}

#[tokio::test]
async fn a_node_that_serves_alone_runs_nothing() {
    let demo = Demo::start(&["--role", "serve"]);
    let mut client = demo.client().await;
    let job = client.submit("/echo", "1").await;
    let status = client.send("GET", &format!("{job}/status"), &[("prefer", "wait=2")], "").await.json();
    assert_eq!(status["Status"], "Enqueued");
    assert_eq!(client.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_node_that_works_alone_accepts_nothing() {
    let demo = Demo::start(&["--role", "work"]);
    let mut client = demo.client().await;
    let refused = client.send("POST", "/echo", &[], "1").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(client.get("/echo/01890000-0000-7000-8000-000000000000/status").await.status, 404);
    assert_eq!(client.get("/health").await.status, 200);
}

#[tokio::test]
async fn concurrency_is_that_of_every_flow() {
    let demo = Demo::start(&["--concurrency", "1"]);
    let mut client = demo.client().await;
    for flow in ["/sleep", "/stubborn"] {
        let first = client.submit(flow, r#"{"ms":3600000}"#).await;
        let second = client.submit(flow, r#"{"ms":0}"#).await;
        assert_eq!(client.get(&first).await.json()["Status"], "Processing");
        assert_eq!(client.get(&second).await.json()["Status"], "Enqueued");
    }
}

#[tokio::test]
async fn a_short_lease_has_a_short_grace() {
    let demo = Demo::start(&["--lease", "1.5"]);
    let mut client = demo.client().await;
    let job = client.submit("/stubborn", r#"{"ms":3600000}"#).await;
    assert_eq!(client.send("POST", &format!("{job}/cancel"), &[], "").await.status, 202);
    let started = std::time::Instant::now();
    assert_eq!(client.ended(&job).await["Status"], "Cancelled");
    // Otherwise it is 10 s.
    assert!(started.elapsed().as_secs() < 8);
    assert_eq!(client.get("/health").await.json()["running"], json!(0));
}
