//! The bytes beside a record: what stays, comes and goes with a change.

use asyncflow_core::{
    State,
    store::{Part, Parts, Patch},
};

use super::subject::{Subject, key};

fn text(bytes: &'static str) -> Part {
    Part { content_type: "text/plain; charset=utf-8".into(), bytes: bytes.into() }
}

async fn after(subject: &Subject, all: impl IntoIterator<Item = Parts>) -> (Option<Part>, Option<Part>) {
    let mut record = subject.running().await;
    for parts in all {
        record = subject.change(&record, Patch { to: Some(State::Failed), parts, ..Patch::default() }).await;
    }
    subject.parts(&record.job).await
}

fn request() -> Option<Part> {
    Some(Part::json("{}"))
}

/// A change that says nothing of parts leaves them.
pub async fn kept(subject: &Subject) {
    assert_eq!(after(subject, [Parts::Keep]).await, (request(), None));
    assert_eq!(after(subject, [Parts::Error(text("e")), Parts::Keep]).await, (request(), Some(text("e"))));
}

/// A result comes and the request goes.
pub async fn result(subject: &Subject) {
    assert_eq!(after(subject, [Parts::Result(text("r"))]).await, (None, Some(text("r"))));
    assert_eq!(after(subject, [Parts::Result(text(""))]).await, (None, Some(text(""))));
    assert_eq!(after(subject, [Parts::Error(text("e")), Parts::Result(text("r"))]).await, (None, Some(text("r"))));
}

/// An error comes and the request stays.
pub async fn error(subject: &Subject) {
    assert_eq!(after(subject, [Parts::Error(text("e"))]).await, (request(), Some(text("e"))));
    assert_eq!(after(subject, [Parts::Error(text("e")), Parts::Error(text("f"))]).await, (request(), Some(text("f"))));
}

/// All parts go.
pub async fn dropped(subject: &Subject) {
    assert_eq!(after(subject, [Parts::Drop]).await, (None, None));
    assert_eq!(after(subject, [Parts::Error(text("e")), Parts::Drop]).await, (None, None));
    assert_eq!(after(subject, [Parts::Result(text("r")), Parts::Drop, Parts::Drop]).await, (None, None));
}

/// Parts of other jobs are not touched; a job that is not there has none.
pub async fn just_its_own(subject: &Subject) {
    let (one, other) = (subject.running().await, subject.running().await);
    subject.change(&one, Patch { parts: Parts::Result(text("r")), ..Patch::default() }).await;
    assert_eq!(subject.parts(&other.job).await, (request(), None));
    subject.change(&other, Patch { parts: Parts::Drop, ..Patch::default() }).await;
    assert_eq!(subject.parts(&one.job).await, (None, Some(text("r"))));
    assert_eq!(subject.parts(&subject.job().job).await, (None, None));
    assert_eq!(subject.parts(&key("nowhere", one.job.id)).await, (None, None));
}
