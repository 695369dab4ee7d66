//! Rows of each released format are read as they were written; those of a newer one are refused by name, and left as they are.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use asyncflow_core::{
    JobId, JobKey, Mark, Policy, Progress, Record, Stamp, State, Tally, Token,
    store::{Batch, Change, Guard, Part, PartName, Patch},
};
use asyncflow_testkit::store::FLOW;

use self::common::Behind;

fn job(id: u128) -> JobKey {
    JobKey { flow: FLOW.into(), id: JobId::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0000 + id) }
}

fn at(micros: i64) -> Stamp {
    Stamp::from_micros(1_767_225_600_000_000 + micros)
}

#[tokio::test]
async fn format_1() {
    let behind = Behind::new().await;
    behind.run(include_str!("fixtures/1.sql")).await;
    let policy = Policy { spacing: Some(std::time::Duration::from_secs(2)), ..Policy::default() };
    let held = Record {
        job: job(1),
        flow_version: u16::MAX,
        state: State::Processing,
        version: 5,
        created: at(1),
        started: Some(at(2)),
        ended: None,
        due: at(30_000_002),
        rank: at(-59_999_999).as_micros(),
        priority: 10,
        token: Some(Token::from_u128(1 << 64 | 2)),
        mark: Mark::Cancel,
        tally: Tally { attempts: u32::MAX, failures: 7, crashes: 255, crashes_in_all: 254, snoozes: u16::MAX },
        owner: Some("an öwner\0".into()),
        limit_key: Some("key".into()),
        unique_key: Some("unique".into()),
        progress: Some(Progress::new("half").percentage(50).data(&serde_json::json!([1, null])).into()),
        policy: policy.into(),
    };
    let ended = Record {
        job: job(2),
        flow_version: 0,
        state: State::Succeeded,
        version: 3,
        started: Some(at(2)),
        ended: Some(at(3)),
        due: at(86_400_000_001),
        rank: at(1).as_micros(),
        priority: -10,
        token: None,
        mark: Mark::None,
        tally: Tally::default(),
        owner: None,
        limit_key: None,
        unique_key: None,
        progress: None,
        ..held.clone()
    };
    assert_eq!(behind.subject.get(&job(1)).await, Some(held));
    assert_eq!(behind.subject.get(&job(2)).await, Some(ended));
    let text = Part { content_type: "text/plain; charset=utf-8".into(), bytes: b"\0\xff"[..].into() };
    assert_eq!(behind.subject.part(&job(1), PartName::Request).await, Some(text));
    assert_eq!(behind.subject.part(&job(2), PartName::Outcome).await, Some(Part::json("1")));
}

#[tokio::test]
async fn a_newer_one_is_left_as_it_is() {
    let behind = Behind::new().await;
    let waiting = behind.subject.add(behind.subject.job()).await;
    behind.run("UPDATE asyncflow.jobs SET format = 2, progress = 'in another form'").await;
    let change = Change { job: waiting.job.clone(), guard: Guard::Version(1), patch: Patch::default() };
    let error = behind.subject.store.write(&Batch { changes: vec![change], ..Batch::default() }).await.unwrap_err();
    let read = behind.subject.store.get(std::slice::from_ref(&waiting.job)).await.unwrap_err();
    for said in [error.to_string(), read.to_string()] {
        assert!(said.contains(&waiting.job.id.to_string()) && said.contains("format 2"), "{said}");
    }
    assert!(behind.subject.take(9).await.is_empty());
    behind.subject.clock.advance(std::time::Duration::from_secs(365 * 24 * 3600));
    assert!(behind.subject.due(9).await.is_empty());
    let left: bool =
        behind.ask("SELECT count(*) = 1 FROM asyncflow.jobs WHERE state = 1 AND progress = 'in another form'").await;
    assert!(left);
}
