//! News. Any of it may be lost, so each is tried a few times; all of it must not be.

use std::time::Duration;

use asyncflow_core::{
    Limits, Settings,
    state::Event,
    store::{Hint, HintStream, Part, Pick},
};

use super::{
    limits::keyed,
    subject::{FLOW, Subject, next},
};

const TRIES: usize = 5;

/// Whether news comes that satisfies.
async fn heard(stream: &HintStream, satisfies: impl Fn(&Hint) -> bool) -> bool {
    let wait = async {
        loop {
            let news = stream.next().await;
            if news.anything || satisfies(&news) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(2), wait).await.is_ok()
}

/// Who wants jobs is told of new ones that are ready.
pub async fn ready(subject: &Subject) {
    let stream = subject.store.hints();
    stream.want_jobs(true);
    for _ in 0..TRIES {
        subject.add(subject.job()).await;
        if heard(&stream, |news| news.ready.contains(FLOW)).await {
            return;
        }
    }
    panic!("no news of new jobs came");
}

/// Who wants jobs is told of those that came back.
pub async fn ready_again(subject: &Subject) {
    let held = subject.running().await;
    let stream = subject.store.hints();
    stream.want_jobs(true);
    let mut record = subject.event(&held, Event::Drained).await;
    for _ in 0..TRIES {
        if heard(&stream, |news| news.ready.contains(FLOW)).await {
            return;
        }
        record = subject.claim(Pick::Job(record.job), subject.token()).await.remove(0).record;
        record = subject.event(&record, Event::Drained).await;
    }
    panic!("no news of jobs that came back came");
}

/// Who waits for changes is told of them.
pub async fn changed(subject: &Subject) {
    let stream = subject.store.hints();
    stream.want_changes(1);
    for _ in 0..TRIES {
        let record = subject.add(subject.job()).await;
        subject.event(&record, Event::Cancel).await;
        if heard(&stream, |news| news.changed.contains(&record.job)).await {
            return;
        }
    }
    panic!("no news of changes came");
}

/// Who waits for changes is told that a job was claimed.
pub async fn claimed(subject: &Subject) {
    let stream = subject.store.hints();
    stream.want_changes(1);
    for _ in 0..TRIES {
        let held = subject.running().await;
        if heard(&stream, |news| news.changed.contains(&held.job)).await {
            return;
        }
    }
    panic!("no news of claims came");
}

/// A job that runs and is asked to stop is told of, whatever else is wanted.
pub async fn marked(subject: &Subject) {
    let stream = subject.store.hints();
    for _ in 0..TRIES {
        let held = subject.running().await;
        subject.event(&held, Event::Cancel).await;
        if heard(&stream, |news| news.marked.contains(&held.job)).await {
            return;
        }
    }
    panic!("no news of marks came");
}

/// Who wants jobs is told when one ends for whose sake others were held back, of its flow or of its key.
pub async fn freed(subject: &Subject) {
    for limits in [Limits::new().running(1), Limits::new().running_per_key(1)] {
        for named in [false, true] {
            let running = subject.add(keyed(subject, "a")).await;
            let mut running = subject.claim(Pick::Job(running.job), subject.token()).await.remove(0).record;
            let mut waiting = subject.add(keyed(subject, "a")).await;
            let mut told = false;
            for _ in 0..TRIES {
                let pick = if named { Pick::Job(waiting.job.clone()) } else { next(9) };
                assert!(subject.take_within(&limits, pick.clone()).await.jobs.is_empty());
                // From now on: what was ready before is no news.
                let stream = subject.store.hints();
                stream.want_jobs(true);
                subject.event(&running, Event::Succeeded(Part::json("1"))).await;
                told = heard(&stream, |news| news.ready.contains(FLOW)).await;
                running = subject.take_within(&limits, pick).await.jobs.remove(0).record;
                if told {
                    break;
                }
                waiting = subject.add(keyed(subject, "a")).await;
            }
            assert!(told, "no news of a place that became free came: {limits:?}, by id: {named}");
            subject.event(&running, Event::Succeeded(Part::json("1"))).await;
        }
    }
}

/// Everybody is told when settings change.
pub async fn settings(subject: &Subject) {
    let stream = subject.store.hints();
    for version in 1..=TRIES as u64 {
        let settings = Settings { version, ..Settings::default() };
        assert!(subject.store.put_settings(&settings).await.expect("the store writes"));
        if heard(&stream, |_| false).await {
            return;
        }
    }
    panic!("no news of settings came");
}
