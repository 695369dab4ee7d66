//! Every flow does what it says, under every framework.

use serde_json::{Value, json};

use crate::process::Demo;

#[tokio::test]
async fn flows_on_axum() {
    every_flow("axum").await;
}

#[tokio::test]
async fn flows_on_hyper() {
    every_flow("hyper").await;
}

#[tokio::test]
async fn flows_on_warp() {
    every_flow("warp").await;
}

#[tokio::test]
async fn flows_on_poem() {
    every_flow("poem").await;
}

async fn every_flow(framework: &str) {
    let demo = Demo::start(&["--framework", framework]);
    tokio::join!(data(&demo), echo(&demo), sleep_and_stubborn(&demo), failures(&demo), textstats(&demo), health(&demo));
}

async fn data(demo: &Demo) {
    let mut client = demo.client().await;
    let job = client.submit("/data", r#"{"count":-1}"#).await;
    assert_eq!(client.result(&job).await, json!({ "data": "Ahmed" }));
    let job = client.submit("/data", r#"{"count":-2}"#).await;
    assert_eq!(client.error(&job).await.0, "ArgumentError");

    let job = client.submit("/data", r#"{"count":100000}"#).await;
    let known = client.get(&format!("{job}/status")).await;
    let changed = [("prefer", "wait=20"), ("if-none-match", known.header("etag"))];
    let mut status = client.send("GET", &format!("{job}/status"), &changed, "").await.json();
    while status["progressData"].is_null() {
        status = client.get(&format!("{job}/status")).await.json();
    }
    assert_eq!(
        (&status["Status"], &status["progressData"]["progress"]),
        (&json!("Processing"), &json!("Generating Data"))
    );
    let percentage = status["progressData"]["percentage"].as_u64().unwrap();
    assert!((1..100).contains(&percentage), "{status}");
    assert_eq!(client.send("POST", &format!("{job}/cancel"), &[], "").await.status, 202);
    assert_eq!(client.ended(&job).await["Status"], "Cancelled");

    let job = client.submit("/data", r#"{"count":0}"#).await;
    assert_eq!(client.result(&job).await, json!({ "data": "Ahmed" }));
    assert_eq!(client.ended(&job).await["progressData"]["percentage"], 100);
}

async fn echo(demo: &Demo) {
    let mut client = demo.client().await;
    for request in [r#"{"b":1,"a":[1.50,12345678901234567890123,"\u00e9"],"b":2}"#, "null", "17", r#""text""#] {
        let job = client.submit("/echo", request).await;
        client.result(&job).await;
        assert_eq!(client.get(&format!("{job}/result")).await.body, request);
    }
}

async fn sleep_and_stubborn(demo: &Demo) {
    let mut client = demo.client().await;
    for flow in ["/sleep", "/stubborn"] {
        let job = client.submit(flow, r#"{"ms":5}"#).await;
        assert_eq!(client.result(&job).await, json!({ "ms": 5 }));
    }
    let sleep = client.submit("/sleep", r#"{"ms":3600000}"#).await;
    let stubborn = client.submit("/stubborn", r#"{"ms":5000}"#).await;
    for job in [&sleep, &stubborn] {
        assert_eq!(client.send("POST", &format!("{job}/cancel"), &[], "").await.status, 202);
    }
    assert_eq!(client.ended(&sleep).await["Status"], "Cancelled");
    // It ends by itself before its grace is over, with success.
    assert_eq!(client.result(&stubborn).await, json!({ "ms": 5000 }));
}

async fn failures(demo: &Demo) {
    let mut client = demo.client().await;
    let job = client.submit("/fail", r#"{"message":"no such luck"}"#).await;
    assert_eq!(client.error(&job).await, ("Failure".into(), "no such luck".into()));
    for request in ["null", "[1]", r#"{"any":"thing"}"#] {
        let job = client.submit("/panic", request).await;
        assert_eq!(client.error(&job).await.0, "Panicked");
    }
    for failures in [0, 2] {
        let job = client.submit("/flaky", &json!({ "failures": failures }).to_string()).await;
        assert_eq!(client.result(&job).await, json!({ "attempts": failures + 1 }));
        assert_eq!(client.ended(&job).await["Attempt"], failures + 1);
    }
}

async fn textstats(demo: &Demo) {
    let mut client = demo.client().await;
    let expected = json!({
        "lines": 1, "words": 3, "unique_words": 2,
        "top": [{ "word": "a", "count": 2 }, { "word": "ÖL", "count": 1 }],
        "longest_word": "ÖL",
    });
    let expected: Value = expected.to_string().replace(r#""word":"ÖL""#, r#""word":"öl""#).parse().unwrap();
    let job = client.submit("/textstats", r#"{"text":"a \u00d6L\nA"}"#).await;
    assert_eq!(client.result(&job).await, expected);
    let plain = [("content-type", "text/plain; charset=utf-8"), ("prefer", "wait=20")];
    let answer = client.send("POST", "/textstats", &plain, "a ÖL\nA").await;
    assert_eq!((answer.status, answer.json()), (200, expected));
    let refused = client.send("POST", "/textstats", &plain, vec![b'a'; 20 * 1024 * 1024 + 1]).await;
    assert_eq!((refused.status, refused.header("content-type")), (413, "application/problem+json"));
}

async fn health(demo: &Demo) {
    let mut client = demo.client().await;
    let health = client.get("/health").await;
    assert_eq!((health.status, &health.json()["ready"]), (200, &json!(true)));
    assert_eq!(health.header("content-type"), "application/json");
    assert_eq!(client.send("HEAD", "/health", &[], "").await.status, 200);
    assert_eq!(client.send("POST", "/health", &[], "").await.status, 405);
    assert_eq!(client.get("/elsewhere").await.status, 404);
}
