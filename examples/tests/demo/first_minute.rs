//! The README's first minute: a real document, its numbers compared with those of `wc`.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::process::Demo;

/// What `wc` counts in a file, by an option.
fn wc(option: &str, path: &Path) -> u64 {
    let output = Command::new("wc").args([option]).arg(path).env("LC_ALL", "C.UTF-8").output().unwrap();
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_document_has_as_many_lines_and_words_as_wc_counts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let demo = Demo::start(&[]);
    let mut client = demo.client().await;
    for name in ["CONTRIBUTING.md", "docs/dependencies.md", "Cargo.lock"] {
        let path = root.join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let accepted = client.send("POST", "/textstats", &[("content-type", "text/plain")], text.clone()).await;
        assert_eq!(accepted.status, 202);
        let stats: Value =
            client.result(&format!("/{}", accepted.header("location").trim_end_matches("/result"))).await;
        assert_eq!((&stats["lines"], &stats["words"]), (&wc("-l", &path).into(), &wc("-w", &path).into()), "{name}");
        let top = &stats["top"][0];
        let word = top["word"].as_str().unwrap();
        let count = text.split_whitespace().filter(|other| other.to_lowercase() == word).count();
        assert_eq!(top["count"], count, "{name}: {word}");
    }
}

#[tokio::test]
async fn the_largest_document_is_counted_with_progress() {
    const LINE: &str = "The quick brown fox jumps over the lazy dog, 1234567 times\n";
    let lines = 20 * 1024 * 1024 / LINE.len();
    let demo = Demo::start(&[]);
    let mut client = demo.client().await;
    let accepted = client.send("POST", "/textstats", &[("content-type", "text/plain")], LINE.repeat(lines)).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let job = format!("/{}", accepted.header("location").trim_end_matches("/result"));
    let stats = client.result(&job).await;
    assert_eq!(
        (&stats["lines"], &stats["words"], &stats["unique_words"]),
        (&lines.into(), &(lines * 11).into(), &10.into())
    );
    let status = client.ended(&job).await;
    assert_eq!(
        (&status["progressData"]["progress"], &status["progressData"]["percentage"]),
        (&"Counting words".into(), &100.into())
    );
}
