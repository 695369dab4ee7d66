//! Conditions of changes: met, the change is applied; not met, the record comes back and nothing was written.

use std::time::Duration;

use asyncflow_core::{
    Mark, Token,
    state::{self, Event},
    store::{Changed, Due, Guard, Part, Patch, Pick},
};

use super::subject::{LEASE, Subject};

/// `Version` holds just at the version that was read.
pub async fn version(subject: &Subject) {
    let record = subject.add(subject.job()).await;
    for version in [0, 2, u64::MAX >> 1] {
        subject.refused(&record, Guard::Version(version)).await;
    }
    let record = subject.change(&record, Patch::default()).await;
    assert_eq!(record.version, 2);
    subject.refused(&record, Guard::Version(1)).await;
}

/// A heartbeat in between does not turn `Version` away.
pub async fn version_past_a_heartbeat(subject: &Subject) {
    let held = subject.running().await;
    subject.clock.advance(Duration::from_secs(5));
    let renewed = subject.event(&held, Event::Heartbeat(LEASE)).await;
    assert_eq!((renewed.version, renewed.due), (held.version, subject.now() + LEASE));
    subject.event(&held, Event::Cancel).await;
}

/// `Holder` holds while the job is held under the token: not for another's, nor once it went back, ended or was taken by another.
pub async fn holder(subject: &Subject) {
    let waiting = subject.add(subject.job()).await;
    let any = |token, started| Guard::Holder { token, started, knows: Mark::Forget };
    subject.refused(&waiting, any(Token::from_u128(0), None)).await;
    let held = subject.claim(Pick::Job(waiting.job), subject.token()).await.remove(0).record;
    let mine = held.token.expect("it is held");
    for other in [0, 1, mine.as_u128() + 1, u128::MAX] {
        subject.refused(&held, any(Token::from_u128(other), held.started)).await;
    }
    let back = subject.event(&held, Event::Drained).await;
    subject.refused(&back, any(mine, held.started)).await;
    let other = subject.claim(Pick::Job(back.job), subject.token()).await.remove(0).record;
    subject.refused(&other, any(mine, held.started)).await;
    let ended = subject.event(&other, Event::Snoozed(Duration::from_secs(1))).await;
    subject.refused(&ended, any(mine, held.started)).await;
    subject.refused(&ended, any(other.token.expect("it was held"), other.started)).await;
}

/// `Holder` is of one claim: a claim that lands late takes the job once more under its token, and what the first run still says is refused.
pub async fn holder_of_one_claim(subject: &Subject) {
    let waiting = subject.add(subject.job()).await;
    let token = subject.token();
    let first = subject.claim(Pick::Job(waiting.job.clone()), token).await.remove(0).record;
    subject.clock.advance(Duration::from_secs(1));
    let asked_again = subject.claim(Pick::Job(waiting.job.clone()), token).await.remove(0).record;
    assert_eq!(asked_again.started, first.started, "asked again, it is the same claim");
    let back = subject.event(&asked_again, Event::Drained).await;
    subject.clock.advance(Duration::from_secs(1));
    let late = subject.claim(Pick::Job(back.job), token).await.remove(0).record;
    assert_eq!(late.token, first.token);
    for stale in [&first, &asked_again] {
        let (guard, _) = state::decide(stale, Event::Succeeded(Part::json("1"))).expect("the event fits");
        subject.refused(&late, guard).await;
    }
    subject.event(&late, Event::Succeeded(Part::json("2"))).await;
}

/// `Holder` turns away whoever knew of a lesser mark than there is; heartbeats pass any.
pub async fn holder_knows_marks(subject: &Subject) {
    let held = subject.running().await;
    let token = held.token.expect("it is held");
    let cancelled = subject.event(&held, Event::Cancel).await;
    subject.refused(&cancelled, Guard::Holder { token, started: held.started, knows: Mark::None }).await;
    let forgotten = subject.event(&cancelled, Event::Delete).await;
    for knows in [Mark::None, Mark::Cancel] {
        subject.refused(&forgotten, Guard::Holder { token, started: held.started, knows }).await;
    }
    subject.event(&held, Event::Heartbeat(LEASE)).await;
    let stopped = subject.event(&forgotten, Event::Stopped { started: true }).await;
    assert_eq!(stopped.token, None);
}

/// `StillDue` holds at the very version and time that were seen, once that time has come.
pub async fn still_due(subject: &Subject) {
    let held = subject.running().await;
    let seen = Guard::StillDue { version: held.version, due: held.due };
    subject.clock.advance(LEASE - Duration::from_micros(1));
    subject.refused(&held, seen).await;
    let renewed = subject.event(&held, Event::Heartbeat(LEASE)).await;
    subject.clock.advance(LEASE * 2);
    subject.refused(&renewed, seen).await;
    let (version, due) = (renewed.version, renewed.due);
    subject.refused(&renewed, Guard::StillDue { version: version + 1, due }).await;
    subject.refused(&renewed, Guard::StillDue { version, due: due + Duration::from_micros(1) }).await;
    let patch = Patch { due: Some(Due::In(LEASE)), quiet: true, ..Patch::default() };
    let changed = subject.ask(&renewed.job, Guard::StillDue { version, due }, patch).await;
    let Changed::Applied(renewed) = changed else { panic!("it is due: {changed:?}") };
    subject.clock.advance(LEASE);
    subject.event(&renewed, Event::Due).await;
}

/// A job that is not there is missing, whatever the condition.
pub async fn missing(subject: &Subject) {
    let job = subject.job().job;
    for guard in [
        Guard::Version(0),
        Guard::Version(1),
        Guard::Holder { token: Token::from_u128(0), started: None, knows: Mark::Forget },
        Guard::StillDue { version: 1, due: subject.now() },
    ] {
        assert_eq!(subject.ask(&job, guard, Patch::default()).await, Changed::Missing);
    }
    assert_eq!(subject.get(&job).await, None);
}

/// Of many changes at once that read the same version, one is applied; the others are shown what it made.
pub async fn one_of_many_at_once(subject: &Subject) {
    let record = subject.add(subject.job()).await;
    let job = record.job.clone();
    let answers = subject
        .at_once(64, |subject| {
            let job = job.clone();
            async move { subject.ask(&job, Guard::Version(1), Patch::default()).await }
        })
        .await;
    let now = subject.get(&job).await.expect("it is there");
    assert_eq!(now.version, 2);
    assert_eq!(answers.iter().filter(|answer| **answer == Changed::Applied(now.clone())).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Changed::Refused(now.clone())).count(), 63);
}
