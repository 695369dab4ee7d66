//! How it ends.

use crate::{
    client::Client,
    process::{Demo, FRAMEWORKS, command, pause},
};

/// Waits until it takes nothing new.
async fn draining(client: &mut Client) {
    while client.get("/health").await.status == 200 {
        pause().await;
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

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_nothing() {
    let mut demo = Demo::spawn_unread(&mut command(&["--addr", "127.0.0.1:0"]));
    let mut client = demo.client().await;
    let message = "a long story ".repeat(100);
    let mut jobs = Vec::new();
    // More than any pipe holds.
    for _ in 0..1000 {
        jobs.push(client.submit("/fail", &format!(r#"{{"message":"{message}"}}"#)).await);
    }
    for job in jobs {
        assert_eq!(client.error(&job).await.1, message);
    }
    demo.signal("TERM");
    assert_eq!(demo.wait().await.code(), Some(0));
}
