//! Jobs in a file.

use serde_json::json;

use crate::process::{Demo, command, run};

fn store(folder: &tempfile::TempDir) -> String {
    format!("sqlite:{}", folder.path().join("jobs.db").display())
}

#[tokio::test]
async fn what_a_drain_could_not_wait_for_runs_after_the_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let mut demo = Demo::start(&["--store", &store, "--concurrency", "1"]);
    let mut client = demo.client().await;
    let done = client.submit("/echo", "[1]").await;
    assert_eq!(client.result(&done).await, json!([1]));
    let running = client.start("/sleep", r#"{"ms":1000}"#).await;
    let waiting = client.submit("/sleep", r#"{"ms":1}"#).await;
    demo.signal("TERM");
    assert_eq!(demo.wait().await.code(), Some(0));

    let demo = Demo::start(&["--store", &store]);
    let mut client = demo.client().await;
    assert_eq!(client.result(&done).await, json!([1]));
    let status = client.get(&format!("{running}/status")).await.json();
    assert_eq!((&status["Status"], &status["Attempt"]), (&json!("Succeeded"), &json!(1)));
    assert_eq!(client.result(&waiting).await, json!({ "ms": 1 }));
}

#[tokio::test]
async fn one_process_serves_and_another_works() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let serving = Demo::start(&["--store", &store, "--role", "serve"]);
    let mut client = serving.client().await;
    let early = client.submit("/echo", "1").await;
    let working = Demo::start(&["--store", &store, "--role", "work"]);
    let late = client.submit("/data", r#"{"count":2}"#).await;
    assert_eq!(client.result(&early).await, json!(1));
    assert_eq!(client.result(&late).await, json!({ "data": "Ahmed" }));
    assert_eq!(working.client().await.result(&early).await, json!(1));
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database, but it is long enough to look at".repeat(100)).unwrap();
    for path in [garbage, folder.path().join("no/such/folder/jobs.db")] {
        let path = path.display().to_string();
        let output = run(&mut command(&["--addr", "127.0.0.1:0", "--store", &format!("sqlite:{path}")]));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(&path) && output.stdout.is_empty(), "{error}");
    }
}
