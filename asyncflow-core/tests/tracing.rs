//! What an operator's log has of a job's life, and what it has not.

#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use asyncflow_core::{FlowEngine, JobContext};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_job_s_life_is_told_without_what_it_was_given() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG).with_ansi(false).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let handler = |secret: String, _: JobContext| async move {
        tracing::info!("within the handler");
        if secret.starts_with("bad") { Err("it went wrong") } else { Ok(secret) }
    };
    let engine = FlowEngine::builder().flow("keep", handler).start().await.unwrap();
    let flow = engine.flow::<String, String>("keep").unwrap();
    let good = flow.submit("good hunter2".into()).await.unwrap();
    good.wait().await.unwrap();
    let bad = flow.submit("bad hunter2".into()).await.unwrap();
    bad.wait().await.unwrap_err();
    let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = |id: &str, text: &str| told.lines().filter(|line| line.contains(id) && line.contains(text)).count();
    for id in [good.id().to_string(), bad.id().to_string()] {
        assert_eq!(lines(&id, "a job is submitted"), 1, "{told}");
        assert_eq!(lines(&id, "an attempt starts"), 1, "{told}");
        assert_eq!(lines(&format!("job{{id={id} flow=\"keep\" attempt=1}}"), "within the handler"), 1, "{told}");
    }
    assert_eq!(lines(&good.id().to_string(), "an attempt ended"), 1, "{told}");
    assert_eq!(lines(&bad.id().to_string(), "it went wrong"), 1, "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}
