//! Pages of records, for operators.

use asyncflow_core::{
    JobId, State,
    state::Event,
    store::{Batch, Insert, Query},
};

use super::subject::{FLOW, Subject, ids, key};

/// All pages of a query together; every page but the last is full.
async fn pages(subject: &Subject, query: Query) -> Vec<JobId> {
    let (mut all, mut next) = (Vec::new(), query.clone());
    loop {
        let page = subject.store.list(&next).await.expect("the store lists");
        all.extend(ids(&page.records));
        assert!(all.len() < 100, "the pages have no end");
        let Some(last) = page.next else {
            assert!(page.records.len() <= query.limit);
            return all;
        };
        assert_eq!((page.records.len(), page.records.last().map(|record| record.job.id)), (query.limit, Some(last)));
        next = next.after(last);
    }
}

/// Pages come in the order of ids, without gap or repetition, and the last says so.
pub async fn page_by_page(subject: &Subject) {
    let mut inserts: Vec<_> = (0..12).map(|_| subject.job()).collect();
    let all: Vec<_> = inserts.iter().map(|insert| insert.job.id).collect();
    inserts.reverse();
    subject.write(Batch { inserts, ..Batch::default() }).await;
    subject.add(Insert { job: key("other", subject.id()), ..subject.job() }).await;
    for limit in [1, 5, 6, 11, 12, 13] {
        assert_eq!(pages(subject, Query::new(FLOW).limit(limit)).await, all, "pages of {limit}");
    }
    let page = subject.store.list(&Query::new(FLOW).limit(12)).await.expect("the store lists");
    assert_eq!(page.next, None, "a full page that is the last");
    assert!(pages(subject, Query::new("unknown")).await.is_empty());
    assert!(pages(subject, Query::new(FLOW).after(all[11])).await.is_empty());
    let first = &subject.store.list(&Query::new(FLOW).limit(1)).await.expect("the store lists").records[0];
    assert_eq!(subject.get(&first.job).await.as_ref(), Some(first));
}

/// Just records of the state and the owner that were asked for come, page by page too.
pub async fn filtered(subject: &Subject) {
    let (mut cancelled, mut owned) = (Vec::new(), Vec::new());
    for n in 0..12 {
        let owner = (n % 3 == 0).then(|| "a".into());
        let record = subject.add(Insert { owner, ..subject.job() }).await;
        if n % 3 == 0 {
            owned.push(record.job.id);
        }
        if n % 2 == 0 {
            cancelled.push(record.job.id);
            subject.event(&record, Event::Cancel).await;
        }
    }
    let both: Vec<_> = owned.iter().filter(|id| cancelled.contains(id)).copied().collect();
    for limit in [1, 2, 4, 100] {
        let query = || Query::new(FLOW).limit(limit);
        assert_eq!(pages(subject, query().state(State::Cancelled)).await, cancelled);
        assert_eq!(pages(subject, query().owner("a")).await, owned);
        assert_eq!(pages(subject, query().owner("a").state(State::Cancelled)).await, both);
        assert!(pages(subject, query().owner("")).await.is_empty());
        assert!(pages(subject, query().state(State::Failed)).await.is_empty());
    }
}

/// What is to be forgotten is not listed.
pub async fn without_forgotten(subject: &Subject) {
    let (waiting, running, kept) =
        (subject.add(subject.job()).await, subject.running().await, subject.add(subject.job()).await);
    subject.event(&waiting, Event::Delete).await;
    subject.event(&running, Event::Delete).await;
    assert_eq!(pages(subject, Query::new(FLOW).limit(1)).await, [kept.job.id]);
}
