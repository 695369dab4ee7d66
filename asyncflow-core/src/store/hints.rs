//! News of changes that may be lost: it saves waiting, and nothing depends on it.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, Weak},
};

use crate::{
    job::JobKey,
    sync::{
        Mutex, MutexGuard, Notify,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Different jobs of which a subscriber that is slow to listen is told one by one; beyond, it is told to look at all.
const MOST_JOBS: usize = 4096;

/// What changed, as far as it is known. In order, so that whoever is woken by it is woken in the same order in each run of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hint {
    /// Flows that have ready jobs.
    pub ready: BTreeSet<Arc<str>>,
    /// Jobs that readers may see changed.
    pub changed: BTreeSet<JobKey>,
    /// Jobs that were asked to stop while they run.
    pub marked: BTreeSet<JobKey>,
    /// Anything may have changed.
    pub anything: bool,
}

impl Hint {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.changed.is_empty() && self.marked.is_empty() && !self.anything
    }
}

/// The sending side, for a store: it gathers news for each subscriber until that listens.
///
/// Sending costs next to nothing where nobody waits, and a lock for each subscriber where somebody does.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    subscribers: Arc<Mutex<Vec<Weak<Subscriber>>>>,
    /// Readers that wait for jobs, of all subscribers.
    readers: Arc<AtomicUsize>,
    /// Subscribers whose workers want jobs.
    idle: Arc<AtomicUsize>,
    /// Woken by the first reader.
    first: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Subscriber {
    news: Mutex<Hint>,
    wake: Notify,
}

impl Subscriber {
    fn tell(&self, add: impl FnOnce(&mut Hint)) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let first = news.is_empty();
        add(&mut news);
        drop(news);
        if first {
            self.wake.notify_one();
        }
    }
}

impl Hints {
    /// Nobody listens yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new subscriber, told what is sent from now on.
    pub fn subscribe(&self) -> HintStream {
        let subscriber = Arc::new(Subscriber::default());
        let mut all = self.lock();
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&subscriber));
        drop(all);
        HintStream { subscriber, hints: self.clone(), reading: AtomicUsize::new(0), idle: AtomicUsize::new(0) }
    }

    /// Whether anybody listens: where news costs something to find, none need be looked for otherwise.
    pub fn is_heard(&self) -> bool {
        self.lock().iter().any(|subscriber| subscriber.strong_count() > 0)
    }

    /// Readers that wait for changes, of all subscribers: where news of them has to be fetched from elsewhere, none need be otherwise.
    pub fn readers(&self) -> usize {
        self.readers.load(Ordering::SeqCst)
    }

    /// Waits until a reader waits where none did: for a store that asks others for news only then.
    ///
    /// Cancel safe: another call is told instead.
    pub async fn first_reader(&self) {
        self.first.notified().await;
    }

    /// A flow has ready jobs.
    pub fn ready(&self, flow: &Arc<str>) {
        if self.idle.load(Ordering::SeqCst) > 0 {
            self.tell(|news| {
                if !news.ready.contains(flow) {
                    news.ready.insert(flow.clone());
                }
            });
        }
    }

    /// Readers may see a job changed.
    pub fn changed(&self, job: &JobKey) {
        if self.readers.load(Ordering::SeqCst) > 0 {
            self.tell(|news| add(news, job, |news| &mut news.changed));
        }
    }

    /// A job was asked to stop while it runs: told to everybody, since whoever runs it wants to know.
    pub fn marked(&self, job: &JobKey) {
        self.tell(|news| add(news, job, |news| &mut news.marked));
    }

    /// Anything may have changed: other processes wrote.
    pub fn anything(&self) {
        self.tell(|news| news.anything = true);
    }

    fn tell(&self, add: impl Fn(&mut Hint)) {
        for subscriber in self.lock().iter().filter_map(Weak::upgrade) {
            subscriber.tell(&add);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Subscriber>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a job to news of one kind; where there is too much, anything may have changed.
fn add(news: &mut Hint, job: &JobKey, kind: impl Fn(&mut Hint) -> &mut BTreeSet<JobKey>) {
    if kind(news).len() >= MOST_JOBS {
        kind(news).clear();
        news.anything = true;
    }
    if !news.anything {
        kind(news).insert(job.clone());
    }
}

/// The receiving side. A store may withhold what [`want_jobs`](Self::want_jobs) and [`want_changes`](Self::want_changes) did not ask for.
#[derive(Debug)]
pub struct HintStream {
    subscriber: Arc<Subscriber>,
    hints: Hints,
    reading: AtomicUsize,
    idle: AtomicUsize,
}

impl HintStream {
    /// All that was told since the last call; waits until there is something.
    ///
    /// Cancel safe: nothing is lost by dropping the future.
    pub async fn next(&self) -> Hint {
        loop {
            let news = std::mem::take(&mut *self.subscriber.news.lock().unwrap_or_else(PoisonError::into_inner));
            if !news.is_empty() {
                return news;
            }
            self.subscriber.wake.notified().await;
        }
    }

    /// Says whether news of ready jobs is of use now.
    pub fn want_jobs(&self, wanted: bool) {
        set(&self.idle, &self.hints.idle, wanted.into());
    }

    /// Says for how many readers news of changed jobs is of use now.
    pub fn want_changes(&self, readers: usize) {
        let first = readers > 0 && self.hints.readers.load(Ordering::SeqCst) == 0;
        set(&self.reading, &self.hints.readers, readers);
        if first {
            self.hints.first.notify_one();
        }
    }
}

/// Sets this subscriber's share of a sum.
fn set(share: &AtomicUsize, sum: &AtomicUsize, to: usize) {
    let from = share.swap(to, Ordering::SeqCst);
    if to >= from {
        sum.fetch_add(to - from, Ordering::SeqCst);
    } else {
        sum.fetch_sub(from - to, Ordering::SeqCst);
    }
}

impl Drop for HintStream {
    fn drop(&mut self) {
        self.want_jobs(false);
        self.want_changes(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobId;

    fn job(n: u64) -> JobKey {
        JobKey { flow: "f".into(), id: JobId::new(n, 0, 0) }
    }

    #[tokio::test]
    async fn news_is_gathered_until_it_is_heard() {
        let hints = Hints::new();
        let stream = hints.subscribe();
        stream.want_jobs(true);
        stream.want_changes(1);
        hints.ready(&"f".into());
        hints.ready(&"f".into());
        hints.changed(&job(1));
        let news = stream.next().await;
        assert_eq!((news.ready.len(), news.changed.len(), news.anything), (1, 1, false));
        hints.anything();
        assert!(stream.next().await.anything);
    }

    #[tokio::test]
    async fn what_nobody_wants_is_not_told() {
        let hints = Hints::new();
        let stream = hints.subscribe();
        hints.ready(&"f".into());
        hints.changed(&job(1));
        hints.anything();
        let news = stream.next().await;
        assert_eq!(news, Hint { anything: true, ..Hint::default() });
        stream.want_changes(2);
        drop(stream);
        assert_eq!(hints.readers.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn the_first_reader_is_told_of() {
        let (hints, mut told) = (Hints::new(), Vec::new());
        let (one, other) = (hints.subscribe(), hints.subscribe());
        for (stream, readers) in [(&one, 1), (&other, 1), (&one, 0), (&other, 0), (&other, 2)] {
            stream.want_changes(readers);
            tokio::select! {
                biased;
                () = hints.first_reader() => told.push(true),
                () = std::future::ready(()) => told.push(false),
            }
        }
        assert_eq!(told, [true, false, false, false, true]);
    }

    #[tokio::test]
    async fn a_deaf_subscriber_costs_a_bounded_amount() {
        let hints = Hints::new();
        let stream = hints.subscribe();
        stream.want_changes(1);
        (0..10_000).for_each(|n| hints.changed(&job(n)));
        let news = stream.next().await;
        assert!(news.anything && news.changed.len() <= MOST_JOBS);
    }
}
