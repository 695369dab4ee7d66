//! What a patch does to a record, each field by itself and together.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Mark, Progress, Stamp, State, Tally,
    store::{Changed, Due, Guard, Inserted, PartName, Parts, Patch, YOUNGEST_PURGED},
};

use super::subject::Subject;

fn report(text: &str) -> Option<Option<Arc<Progress>>> {
    let progress = Progress::new(text).percentage(12.5).data(&serde_json::json!({ "é\0": [1, null] }));
    Some(Some(Arc::new(progress)))
}

fn tally(n: u32) -> Option<Tally> {
    Some(Tally { attempts: n, failures: n + 1, crashes: 2, crashes_in_all: 3, snoozes: 4 })
}

/// Every field alone: what is set changes, and nothing else.
pub async fn every_field(subject: &Subject) {
    let mut record = subject.add(subject.job()).await;
    for patch in [
        Patch::default(),
        Patch { quiet: true, ..Patch::default() },
        Patch { due: Some(Due::In(Duration::from_micros(1))), ..Patch::default() },
        Patch { due: Some(Due::In(Duration::from_secs(9))), quiet: true, ..Patch::default() },
        Patch { lead: Some(-77), ..Patch::default() },
        Patch { mark: Some(Mark::Cancel), ..Patch::default() },
        Patch { mark: Some(Mark::None), ..Patch::default() },
        Patch { tally: tally(10), ..Patch::default() },
        Patch { progress: report("ü 'quoted'"), ..Patch::default() },
        Patch { progress: Some(None), ..Patch::default() },
        Patch { progress: report(""), quiet: true, ..Patch::default() },
    ] {
        subject.clock.advance(Duration::from_millis(3));
        record = subject.change(&record, patch).await;
    }
    assert_eq!(subject.part(&record.job, PartName::Request).await.map(|part| part.bytes.len()), Some(2));
}

/// Every state, from every state, with all fields at once.
pub async fn every_state(subject: &Subject) {
    for from in State::ALL {
        for to in State::ALL {
            let mut record = subject.running().await;
            if from != State::Processing {
                record = subject.change(&record, Patch { to: Some(from), ..Patch::default() }).await;
            }
            subject.clock.advance(Duration::from_millis(7));
            let patch = Patch {
                to: Some(to),
                due: Some(Due::In(Duration::from_secs(5))),
                lead: Some(5),
                mark: Some(Mark::Cancel),
                tally: tally(1),
                progress: report("x"),
                ..Patch::default()
            };
            let record = subject.change(&record, patch).await;
            assert_eq!(record.state, to);
        }
    }
    assert_eq!(subject.states().await, [6; 6]);
}

/// The largest and smallest values survive.
pub async fn extremes(subject: &Subject) {
    let record = subject.add(subject.job()).await;
    let most =
        Tally { attempts: u32::MAX, failures: u32::MAX, crashes: u8::MAX, crashes_in_all: u8::MAX, snoozes: u16::MAX };
    let record = subject
        .change(
            &record,
            Patch {
                tally: Some(most),
                due: Some(Due::In(Duration::MAX)),
                lead: Some(i64::MAX),
                mark: Some(Mark::Forget),
                ..Patch::default()
            },
        )
        .await;
    assert_eq!(record.due, Stamp::from_micros(i64::MAX));
    let record = subject.change(&record, Patch { lead: Some(i64::MIN), ..Patch::default() }).await;
    assert_eq!(record.rank, i64::MAX);
}

/// The time of a purge is at least a minute after the job was made, and otherwise as long as was said.
pub async fn purge_not_too_young(subject: &Subject) {
    let record = subject.add(subject.job()).await;
    let after = |seconds| Patch { due: Some(Due::Purge(Duration::from_secs(seconds))), ..Patch::default() };
    let record = subject.change(&record, after(0)).await;
    assert_eq!(record.due, record.created + YOUNGEST_PURGED);
    let record = subject.change(&record, after(61)).await;
    assert_eq!(record.due, subject.now() + Duration::from_secs(61));
    subject.clock.advance(Duration::from_secs(3600));
    let record = subject.change(&record, after(0)).await;
    assert_eq!(record.due, subject.now());
}

/// A purge takes the record and its parts away, in whichever state it is, and answers it as it was.
pub async fn purge(subject: &Subject) {
    for state in State::ALL {
        let mut record = subject.running().await;
        if state != State::Processing {
            let parts = Parts::Error(asyncflow_core::store::Part::json("{}"));
            record = subject.change(&record, Patch { to: Some(state), parts, ..Patch::default() }).await;
        }
        let purge = Patch { purge: true, ..Patch::default() };
        let changed = subject.ask(&record.job, Guard::Version(record.version), purge).await;
        let Changed::Applied(last) = changed else { panic!("it was not purged: {changed:?}") };
        assert_eq!((last.job, last.state), (record.job.clone(), state));
        assert_eq!(subject.get(&record.job).await, None);
        for name in [PartName::Request, PartName::Outcome] {
            assert_eq!(subject.part(&record.job, name).await, None);
        }
        let again = subject.ask(&record.job, Guard::Version(record.version), Patch::default()).await;
        assert_eq!(again, Changed::Missing);
    }
    assert_eq!(subject.states().await, [0; 6]);
    subject.clock.advance(Duration::from_secs(365 * 24 * 3600));
    assert!(subject.due(9).await.is_empty());
    assert_eq!(subject.take(9).await, []);
}

/// An id whose record was purged is as new.
pub async fn id_after_purge(subject: &Subject) {
    let insert = subject.job();
    let record = subject.add(insert.clone()).await;
    subject.ask(&record.job, Guard::Version(1), Patch { purge: true, ..Patch::default() }).await;
    subject.clock.advance(Duration::from_secs(1));
    assert_eq!(subject.insert(&insert).await, Inserted::Created { created: subject.now() });
    assert_eq!(subject.get(&record.job).await, Some(insert.record(subject.now())));
}
