//! How it ends.

use std::time::Duration;

use crate::{
    client::Client,
    process::{Demo, FRAMEWORKS},
};

/// Waits until it takes nothing new.
async fn draining(client: &mut Client) {
    while client.get("/health").await.status == 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn it_finishes_what_runs_and_answers_meanwhile() {
    for (framework, signal) in FRAMEWORKS.into_iter().zip(["TERM", "INT", "TERM", "INT"]) {
        finishes(framework, signal).await;
    }
}

async fn finishes(framework: &str, signal: &str) {
    let mut demo = Demo::start(&["--framework", framework]);
    let mut client = demo.client().await;
    let job = client.start("/sleep", r#"{"ms":3600000}"#).await;
    demo.signal(signal);
    draining(&mut client).await;
    let mut other = demo.client().await;
    assert_eq!(other.get(&format!("{job}/status")).await.json()["Status"], "Processing");
    let refused = other.send("POST", "/echo", &[], "1").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(other.send("POST", &format!("{job}/cancel"), &[], "").await.status, 202);
    // Both connections stay open, and hold nothing up.
    assert_eq!(demo.wait().await.code(), Some(0));
    assert!(demo.log().contains("finished: 1, handed_over: 0, cut_off: 0"), "{}", demo.log());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for framework in FRAMEWORKS {
        let mut demo = Demo::start(&["--framework", framework]);
        let mut client = demo.client().await;
        client.start("/stubborn", r#"{"ms":3600000}"#).await;
        demo.signal("TERM");
        draining(&mut client).await;
        let started = std::time::Instant::now();
        demo.signal("INT");
        assert_eq!(demo.wait().await.code(), Some(0));
        // A drain would take 30 s.
        assert!(started.elapsed().as_secs() < 20);
    }
}
