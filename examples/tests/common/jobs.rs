//! Jobs of every kind, and what should become of them.

use serde_json::{Value, json};

use super::client::Client;

/// What a job should become.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Result(Value),
    Error(&'static str),
}

/// A flow, a request, and what should become of it: of every kind in turn.
pub(crate) fn job(number: usize) -> (&'static str, Value, Expected) {
    match number % 6 {
        0 => ("/echo", json!({ "n": number }), Expected::Result(json!({ "n": number }))),
        1 => ("/sleep", json!({ "ms": number % 300 }), Expected::Result(json!({ "ms": number % 300 }))),
        2 => ("/flaky", json!({ "failures": number % 3 }), Expected::Result(json!({ "attempts": number % 3 + 1 }))),
        3 => ("/fail", json!({ "message": "no" }), Expected::Error("Failure")),
        4 => ("/panic", json!(number), Expected::Error("Panicked")),
        _ => ("/data", json!({ "count": number % 3 + 1 }), Expected::Result(json!({ "data": "Ahmed" }))),
    }
}

/// Waits for a job's end, and gives its last status.
pub(crate) async fn ended_right(client: &mut Client, job: &str, expected: &Expected) -> Value {
    match expected {
        Expected::Result(result) => assert_eq!(client.result(job).await, *result, "{job}"),
        Expected::Error(kind) => assert_eq!(client.error(job).await.0, *kind, "{job}"),
    }
    client.get(&format!("{job}/status")).await.json()
}
