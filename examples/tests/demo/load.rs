//! Many jobs of every flow at once, some cancelled and some deleted midway: each ends as it should, with its own result.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    client::Client,
    process::{Demo, FRAMEWORKS, pause, prove},
};

const CONNECTIONS: usize = 64;
/// Jobs that a connection submits before it looks at the first.
const BATCH: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn every_job_ends_as_it_should() {
    let batches = if prove() { 20_000_usize.div_ceil(CONNECTIONS * BATCH) } else { 8 };
    for framework in FRAMEWORKS.into_iter().take(if prove() { FRAMEWORKS.len() } else { 1 }) {
        let demo = Demo::start(&["--framework", framework]);
        let mut connections = JoinSet::new();
        for connection in 0..CONNECTIONS {
            let address = demo.address;
            connections.spawn(async move {
                let mut client = Client::open(address).await.unwrap();
                for batch in 0..batches {
                    batch_of(&mut client, (batch * CONNECTIONS + connection) * BATCH).await;
                }
            });
        }
        while let Some(connection) = connections.join_next().await {
            connection.unwrap();
        }
        // What was deleted is stopped soon.
        let mut client = demo.client().await;
        while client.get("/health").await.json()["running"] != 0 {
            pause().await;
        }
    }
}

/// One job of each kind, their numbers counted from `first`.
async fn batch_of(client: &mut Client, first: usize) {
    let mut jobs = Vec::with_capacity(BATCH);
    for number in first..first + BATCH {
        let (flow, request, expected) = job(number);
        let job = client.submit(flow, &request.to_string()).await;
        jobs.push((job, expected));
    }
    for (job, expected) in &jobs {
        let (method, path, answer) = match expected {
            Expected::Cancelled => ("POST", format!("{job}/cancel"), 202),
            Expected::Deleted => ("DELETE", job.clone(), 204),
            _ => continue,
        };
        assert_eq!(client.send(method, &path, &[], "").await.status, answer, "{job}");
    }
    for (job, expected) in &jobs {
        match expected {
            Expected::Result(result) => assert_eq!(client.result(job).await, *result, "{job}"),
            Expected::Words(words) => assert_eq!(client.result(job).await["words"], *words, "{job}"),
            Expected::Error(kind, message) => {
                assert_eq!(client.error(job).await, ((*kind).to_owned(), message.clone()), "{job}");
            }
            Expected::Cancelled => assert_eq!(client.ended(job).await["Status"], "Cancelled", "{job}"),
            Expected::Deleted => assert_eq!(client.get(job).await.status, 404, "{job}"),
        }
    }
}

/// What a job should become.
enum Expected {
    Result(Value),
    Words(usize),
    Error(&'static str, String),
    Cancelled,
    Deleted,
}

/// A flow, a request, and what should become of it.
fn job(number: usize) -> (&'static str, Value, Expected) {
    let some = number / BATCH % 4;
    let an_hour = json!({ "ms": 3_600_000 });
    match number % BATCH {
        0 => ("/echo", json!({ "n": number }), Expected::Result(json!({ "n": number }))),
        1 => ("/sleep", json!({ "ms": some }), Expected::Result(json!({ "ms": some }))),
        2 => ("/stubborn", json!({ "ms": some }), Expected::Result(json!({ "ms": some }))),
        3 => ("/fail", json!({ "message": number.to_string() }), Expected::Error("Failure", number.to_string())),
        4 => ("/flaky", json!({ "failures": some }), Expected::Result(json!({ "attempts": some + 1 }))),
        5 => ("/panic", json!(number), Expected::Error("Panicked", "the job panicked".into())),
        6 => ("/textstats", json!({ "text": "word ".repeat(number % 1000) }), Expected::Words(number % 1000)),
        7 if some == 0 => {
            ("/data", json!({ "count": -2 }), Expected::Error("ArgumentError", "count must not be -2".into()))
        }
        7 => {
            ("/data", json!({ "count": if some == 1 { 1 } else { -1 } }), Expected::Result(json!({ "data": "Ahmed" })))
        }
        8 => ("/sleep", an_hour, Expected::Cancelled),
        _ => (
            if some == 0 { "/data" } else { "/sleep" },
            if some == 0 { json!({ "count": 100 }) } else { an_hour },
            Expected::Deleted,
        ),
    }
}
