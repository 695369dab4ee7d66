//! Of each unique key one job lives.

use std::sync::Arc;

use asyncflow_core::{
    JobError, Mark, Policy, Record, Stamp, State,
    state::{self, Event, Wish},
    store::{Batch, Guard, Insert, Inserted, Part, PartName, Patch, Room, Unique},
};

use super::subject::{Subject, key, named, next};

/// A job that finds the one that lives.
fn reusing(subject: &Subject, unique: &str) -> Insert {
    Insert { unique: Some(Unique { key: unique.into(), replace: None }), ..subject.job() }
}

/// A job that takes the place of the one that waits.
fn replacing(subject: &Subject, unique: &str) -> Insert {
    let replace = Some(state::replace(&Policy::default()));
    Insert { unique: Some(Unique { key: unique.into(), replace }), ..subject.job() }
}

async fn found(subject: &Subject, insert: &Insert, existing: &Record) {
    let answer = subject.insert(insert).await;
    assert_eq!(answer, Inserted::Existing { id: existing.job.id, created: existing.created });
    assert_eq!(subject.get(&insert.job).await, None, "nothing was inserted");
    assert_eq!(subject.part(&insert.job, PartName::Request).await, None);
}

/// Where a job of the key lives, waiting now or for later or running, asked to stop or not, that one is found and none is made.
pub async fn found_while_it_lives(subject: &Subject) {
    let facts = state::submit(Some(std::time::Duration::from_secs(9)), 0, &Arc::new(Policy::default()));
    let mut record = subject.add(Insert { facts, ..reusing(subject, "k") }).await;
    assert_eq!(record.unique_key.as_deref(), Some("k"));
    found(subject, &reusing(subject, "k"), &record).await;
    subject.clock.advance(std::time::Duration::from_secs(9));
    record = subject.event(&record, Event::Due).await;
    found(subject, &reusing(subject, "k"), &record).await;
    record = subject.take(1).await.remove(0);
    assert_eq!(record.unique_key.as_deref(), Some("k"), "it is kept");
    found(subject, &reusing(subject, "k"), &record).await;
    record = subject.event(&record, Event::Drained).await;
    found(subject, &reusing(subject, "k"), &record).await;
    record = subject.take(1).await.remove(0);
    record = subject.event(&record, Event::Cancel).await;
    found(subject, &reusing(subject, "k"), &record).await;
    assert_eq!(subject.get(&record.job).await, Some(record), "it was left alone");
    assert_eq!(subject.states().await, [0, 0, 1, 0, 0, 0]);
}

/// Once a job has ended, in whichever way, or is to be forgotten, or is gone, another may live.
pub async fn free_after_its_end(subject: &Subject) {
    let error = JobError::new("Other", "no");
    let mut ends: Vec<(bool, Event)> = vec![
        (true, Event::Succeeded(Part::json("1"))),
        (true, Event::Failed { error, wish: Wish::Never, chance: 0.0 }),
        (true, Event::Delete),
        (false, Event::Cancel),
        (false, Event::Delete),
    ];
    ends.push((true, Event::Succeeded(Part::json("1"))));
    let mut forgotten = None;
    for (runs, end) in ends {
        let mut record = subject.add(reusing(subject, "k")).await;
        if runs {
            record = subject.take(1).await.remove(0);
        }
        let ended = subject.event(&record, end).await;
        if ended.state == State::Processing {
            forgotten = Some(ended);
        } else {
            assert!(!ended.is_live());
        }
    }
    // The end of one that was forgotten leaves the key to who has it now.
    let record = subject.add(reusing(subject, "k")).await;
    subject.event(&forgotten.expect("one ran"), Event::Stopped { started: true }).await;
    found(subject, &reusing(subject, "k"), &record).await;
    subject.ask(&record.job, Guard::Version(1), Patch { purge: true, ..Patch::default() }).await;
    subject.add(reusing(subject, "k")).await;
}

/// A job that waits, now or for later, gives way to one that is to replace it: it is cancelled and keeps its request, and the new one is there.
pub async fn replaced_while_it_waits(subject: &Subject) {
    let facts = state::submit(Some(std::time::Duration::from_secs(9)), 0, &Arc::new(Policy::default()));
    let scheduled = Insert { facts, request: Part::json("[0]"), ..reusing(subject, "k") };
    let mut last = subject.add(scheduled).await;
    for n in 1..4 {
        subject.clock.advance(std::time::Duration::from_secs(1));
        let request = Part::json(format!("[{n}]"));
        let insert = Insert { request: request.clone(), ..replacing(subject, "k") };
        let new = subject.add(insert.clone()).await;
        assert_eq!(subject.get(&new.job).await, Some(new.clone()));
        let mut old = last.clone();
        state::replace(&Policy::default()).apply(&mut old, None, subject.now());
        assert_eq!((old.state, old.mark), (State::Cancelled, Mark::None));
        assert_eq!(subject.get(&old.job).await, Some(old.clone()));
        assert_eq!(subject.part(&old.job, PartName::Request).await, Some(Part::json(format!("[{}]", n - 1))));
        let again = Inserted::Existing { id: new.job.id, created: new.created };
        assert_eq!(subject.insert(&insert).await, again, "asked again, it is there");
        last = new;
    }
    assert_eq!(subject.states().await, [0, 1, 0, 0, 0, 3]);
    let taken = subject.claim(next(9), subject.token()).await;
    assert_eq!(taken.len(), 1);
    assert_eq!((&taken[0].record.job, &taken[0].request), (&last.job, &Part::json("[3]")));
}

/// A job that runs is not replaced, but found.
pub async fn not_replaced_while_it_runs(subject: &Subject) {
    subject.add(reusing(subject, "k")).await;
    let held = subject.take(1).await.remove(0);
    found(subject, &replacing(subject, "k"), &held).await;
    let back = subject.event(&held, Event::Drained).await;
    let new = subject.add(replacing(subject, "k")).await;
    assert_eq!(subject.get(&back.job).await.map(|record| record.state), Some(State::Cancelled));
    found(subject, &reusing(subject, "k"), &new).await;
}

/// A replacement takes the room of the job that it replaces, also where there is no other; where it replaces none it needs room.
pub async fn in_its_room(subject: &Subject) {
    let room = |insert: Insert, waiting, waiting_per_owner| Insert {
        room: Room { waiting, waiting_per_owner },
        owner: Some("a".into()),
        ..insert
    };
    let first = subject.add(room(reusing(subject, "k"), 2, None)).await;
    subject.add(room(subject.job(), 2, None)).await;
    assert_eq!(subject.insert(&room(replacing(subject, "other"), 2, None)).await, Inserted::Full);
    assert_eq!(subject.insert(&room(replacing(subject, "other"), 9, Some(2))).await, Inserted::OverQuota);
    let second = subject.add(room(replacing(subject, "k"), 2, None)).await;
    subject.add(room(replacing(subject, "k"), 9, Some(2))).await;
    for job in [first.job, second.job] {
        assert_eq!(subject.get(&job).await.map(|record| record.state), Some(State::Cancelled));
    }
    assert_eq!(subject.states().await, [0, 2, 0, 0, 0, 2]);
    let reused = room(reusing(subject, "k"), 0, Some(0));
    assert!(matches!(subject.insert(&reused).await, Inserted::Existing { .. }), "what is found needs no room");
}

/// Owners, those without one, and flows have name spaces of their own.
pub async fn apart_by_owner_and_flow(subject: &Subject) {
    let all = [
        reusing(subject, "k"),
        Insert { owner: Some("".into()), ..reusing(subject, "k") },
        Insert { owner: Some("a".into()), ..reusing(subject, "k") },
        Insert { owner: Some("b".into()), ..reusing(subject, "k") },
        Insert { job: key("other", subject.id()), ..reusing(subject, "k") },
        reusing(subject, "K"),
        reusing(subject, ""),
        subject.job(),
    ];
    for insert in &all {
        subject.add(insert.clone()).await;
    }
    for insert in &all[..7] {
        let again = Insert { job: key(&insert.job.flow, subject.id()), ..insert.clone() };
        let answer = subject.insert(&again).await;
        assert!(matches!(answer, Inserted::Existing { id, .. } if id == insert.job.id), "{answer:?}");
    }
}

/// An insert that is asked again by its id is its own success, whoever lives under its key by then.
pub async fn its_own_id_again(subject: &Subject) {
    let insert = reusing(subject, "k");
    let record = subject.add(insert.clone()).await;
    subject.clock.advance(std::time::Duration::from_secs(1));
    let own = Inserted::Existing { id: record.job.id, created: record.created };
    assert_eq!(subject.insert(&insert).await, own);
    let new = subject.add(replacing(subject, "k")).await;
    assert_eq!(subject.insert(&insert).await, own);
    assert_eq!(subject.get(&new.job).await, Some(new));
}

/// Beside an idempotency key: that answers first, and a request that found the job of its unique key finds that ever after.
pub async fn beside_an_idempotency_key(subject: &Subject) {
    let asked = |name, fingerprint, unique| Insert { idempotency: named(name, fingerprint), ..unique };
    let record = subject.add(asked("first", 1, reusing(subject, "k"))).await;
    found(subject, &asked("first", 1, replacing(subject, "k")), &record).await;
    assert_eq!(subject.insert(&asked("first", 2, replacing(subject, "k"))).await, Inserted::OtherBody);
    assert_eq!(subject.get(&record.job).await.map(|record| record.state), Some(State::Enqueued), "not replaced");
    found(subject, &asked("second", 1, reusing(subject, "k")), &record).await;
    subject.event(&record, Event::Cancel).await;
    found(subject, &asked("second", 1, reusing(subject, "k")), &record).await;
    assert_eq!(subject.insert(&asked("second", 2, reusing(subject, "k"))).await, Inserted::OtherBody);
    let third = subject.add(asked("third", 1, reusing(subject, "k"))).await;
    let fourth = subject.add(asked("fourth", 1, replacing(subject, "k"))).await;
    found(subject, &asked("third", 1, reusing(subject, "k")), &third).await;
    found(subject, &reusing(subject, "k"), &fourth).await;
}

/// Two of one batch are one after the other.
pub async fn twice_in_a_batch(subject: &Subject) {
    let created = subject.now();
    for insert in [reusing as fn(&Subject, &str) -> Insert, replacing] {
        let inserts = vec![insert(subject, "k"), insert(subject, "k")];
        let jobs = [inserts[0].job.clone(), inserts[1].job.clone()];
        let answers = subject.write(Batch { inserts, ..Batch::default() }).await.inserts;
        let reuses = insert(subject, "k").unique.is_some_and(|unique| unique.replace.is_none());
        let second = if reuses { existing(&jobs[0].id, created) } else { Inserted::Created { created } };
        assert_eq!(answers, [Inserted::Created { created }, second]);
        let live = subject.take(9).await;
        assert_eq!((live.len(), &live[0].job), (1, &jobs[usize::from(!reuses)]));
        subject.event(&live[0], Event::Succeeded(Part::json("1"))).await;
    }
}

fn existing(id: &asyncflow_core::JobId, created: Stamp) -> Inserted {
    Inserted::Existing { id: *id, created }
}

/// Of many inserts at once one job lives, whether they find it or replace it; each that was replaced is cancelled.
pub async fn one_of_many_at_once(subject: &Subject) {
    let answers = subject.at_once(64, |subject| async move { subject.insert(&reusing(&subject, "k")).await }).await;
    let created = answers.iter().filter(|answer| matches!(answer, Inserted::Created { .. })).count();
    assert_eq!((created, subject.states().await), (1, [0, 1, 0, 0, 0, 0]), "{answers:?}");
    let answers = subject.at_once(64, |subject| async move { subject.insert(&replacing(&subject, "k")).await }).await;
    let created = answers.iter().filter(|answer| matches!(answer, Inserted::Created { .. })).count();
    assert_eq!((created, subject.states().await), (64, [0, 1, 0, 0, 0, 64]));
    // While they are taken and end.
    subject
        .at_once(64, |subject| async move {
            subject.insert(&replacing(&subject, "k")).await;
            for record in subject.take(1).await {
                assert!(subject.states().await[State::Processing as usize] <= 1, "two of one key run");
                subject.event(&record, Event::Succeeded(Part::json("1"))).await;
            }
        })
        .await;
    let [_, ready, running, ..] = subject.states().await;
    assert!(ready + running <= 1);
}
