use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use super::*;
use crate::{
    job::{JobId, Mark, Token},
    policy::Policy,
    state,
    store::{Change, Changed, Claim, Guard, Insert, Inserted, MemoryStore, Patch, Pick, Room},
};

/// A memory store that takes a millisecond a batch or a read by a paused clock, counts them, and rejects batches with a poisoned request.
#[derive(Debug, Default)]
struct Slow {
    store: MemoryStore,
    sizes: Mutex<Vec<usize>>,
    read: Mutex<Vec<usize>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[async_trait]
impl Store for Slow {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        self.sizes.lock().unwrap().push(batch.inserts.len() + batch.changes.len() + batch.claims.len());
        for insert in &batch.inserts {
            match &insert.request.bytes[..] {
                b"poison" => return Err(StoreError::rejected("poison")),
                b"panic" => panic!("on purpose"),
                b"hang" => tokio::time::sleep(Duration::from_secs(60)).await,
                _ => {}
            }
        }
        let mut answers = self.store.write(batch).await?;
        if batch.inserts.iter().any(|insert| insert.request.bytes == "forget") {
            answers.inserts.pop();
        }
        Ok(answers)
    }
    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        self.read.lock().unwrap().push(jobs.len());
        match jobs.contains(&key(UNREADABLE)) {
            true => Err(StoreError::rejected("it cannot be read")),
            false => self.store.get(jobs).await,
        }
    }
    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.store.part(job, name).await
    }
    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.store.due(limit).await
    }
    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.store.put_settings(settings).await
    }
    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.store.list(query).await
    }
    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.store.counts(flow).await
    }
    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }
    fn largest_part(&self) -> usize {
        self.store.largest_part()
    }
    fn hints(&self) -> HintStream {
        self.store.hints()
    }
}

/// A job whose record cannot be read.
const UNREADABLE: u128 = 666;

fn key(n: u128) -> JobKey {
    JobKey { flow: "f".into(), id: JobId::from_u128(n) }
}

fn insert(n: u128, request: &'static str) -> Batch {
    let insert = Insert {
        job: key(n),
        flow_version: 0,
        facts: state::submit(None, 0, &Arc::new(Policy::default())),
        owner: None,
        limit_key: None,
        unique: None,
        request: Part::json(request),
        idempotency: None,
        room: Room { waiting: 1_000_000, waiting_per_owner: None },
    };
    Batch { inserts: vec![insert], ..Batch::default() }
}

fn mark(n: u128, mark: Mark) -> Batch {
    let patch = Patch { mark: Some(mark), ..Patch::default() };
    Batch { changes: vec![Change { job: key(n), guard: Guard::Version(1), patch }], ..Batch::default() }
}

fn claim(token: u128) -> Batch {
    let pick = Pick::Next { flow: "f".into(), versions: Arc::new([0]), jobs: 1, bytes: usize::MAX };
    let claim =
        Claim { pick, limits: None, token: Token::from_u128(token), patch: state::claim(Duration::from_secs(1)) };
    Batch { claims: vec![claim], ..Batch::default() }
}

/// What becomes of these, begun in their order.
async fn at_once<T, F>(futures: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

async fn all(
    store: &Arc<Coalesced<Slow>>,
    batches: impl IntoIterator<Item = Batch>,
) -> Vec<Result<Answers, StoreError>> {
    let write = |batch| {
        let store = store.clone();
        async move { store.write(&batch).await }
    };
    at_once(batches.into_iter().map(write)).await
}

async fn read(
    store: &Arc<Coalesced<Slow>>,
    ids: impl IntoIterator<Item = u128>,
) -> Vec<Result<Option<u128>, StoreError>> {
    let get = |id| {
        let store = store.clone();
        async move { Ok(store.get(&[key(id)]).await?.remove(0).map(|record| record.job.id.as_u128())) }
    };
    at_once(ids.into_iter().map(get)).await
}

/// Whether it is ready when it is asked once.
async fn is_ready<F: Future>(future: &mut Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

fn store(coalescing: Coalescing) -> Arc<Coalesced<Slow>> {
    Arc::new(Coalesced::new(Slow::default(), coalescing).unwrap())
}

#[tokio::test(start_paused = true)]
async fn callers_share_batches_and_get_their_own_answers() {
    let store = store(Coalescing::default());
    for answer in all(&store, (0..1000).map(|n| insert(n, "1"))).await {
        assert!(matches!(answer.unwrap().inserts[..], [Inserted::Created { .. }]));
    }
    let claimed = all(&store, (1..=1000).map(claim)).await;
    let mut tokens: Vec<_> =
        claimed.iter().map(|answer| answer.as_ref().unwrap().claims[0].jobs[0].record.token.unwrap()).collect();
    assert!(tokens.is_sorted());
    tokens.dedup();
    assert_eq!(tokens.len(), 1000);
    let sizes = store.inner().sizes.lock().unwrap().clone();
    assert!(sizes.len() < 50 && sizes.iter().all(|size| *size <= 256), "{sizes:?}");
    assert_eq!(store.inner().most_at_once.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_job_goes_to_the_claim_that_came_with_it() {
    let store = store(Coalescing::default());
    let own = Batch { claims: vec![Claim { pick: Pick::Job(key(1)), ..claim(2).claims.remove(0) }], ..insert(1, "1") };
    let answers = all(&store, [claim(1), own, insert(2, "1"), claim(3)]).await;
    let taken = |nth: usize| answers[nth].as_ref().unwrap().claims[0].jobs[0].record.job.id.as_u128();
    assert_eq!([taken(0), taken(1)], [2, 1]);
    assert!(answers[3].as_ref().unwrap().claims[0].jobs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lone_caller_waits_for_nobody() {
    let store = store(Coalescing::default());
    let began = tokio::time::Instant::now();
    store.write(&insert(1, "1")).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn as_many_batches_are_on_their_way_as_the_store_likes() {
    let store = store(Coalescing::default().in_flight(3).entries(10));
    all(&store, (0..100).map(|n| insert(n, "1"))).await;
    assert_eq!(store.inner().most_at_once.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_bad_entry_fails_alone() {
    let store = store(Coalescing::default());
    let batches = (0..100).map(|n| insert(n, if n == 37 { "poison" } else { "1" }));
    for (n, answer) in all(&store, batches).await.into_iter().enumerate() {
        assert_eq!(answer.is_err(), n == 37, "{n}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_batch_changes_a_job_once() {
    let store = store(Coalescing::default());
    store.write(&insert(1, "1")).await.unwrap();
    let answers = all(&store, (0..3).map(|_| mark(1, Mark::Cancel))).await;
    let applied =
        |answer: &Result<Answers, StoreError>| matches!(answer.as_ref().unwrap().changes[..], [Changed::Applied(_)]);
    assert_eq!(answers.iter().filter(|answer| applied(answer)).count(), 1);
    assert_eq!(*store.inner().sizes.lock().unwrap(), [1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_its_batch_whole() {
    let store = store(Coalescing::default());
    {
        let batch = insert(1, "1");
        let mut write = pin!(store.write(&batch));
        assert!(!is_ready(&mut write).await);
        while store.inner().at_once.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(store.get(&[key(1)]).await.unwrap()[0].is_some());
}

#[tokio::test(start_paused = true)]
async fn readers_share_reads_and_get_their_own_records() {
    let store = store(Coalescing::default().reads(2));
    all(&store, (1000..1500).map(|n| insert(n, "1"))).await;
    let records = read(&store, 1000..2000).await;
    assert!(records.iter().zip(1000..).all(|(record, n)| *record.as_ref().unwrap() == (n < 1500).then_some(n)));
    let sizes = store.inner().read.lock().unwrap().clone();
    assert!(sizes.len() < 10 && sizes.iter().all(|size| *size <= 256), "{sizes:?}");
    assert_eq!(store.inner().most_at_once.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_the_error_of_its_reader() {
    let store = store(Coalescing::default());
    for (n, record) in read(&store, 600..700).await.into_iter().enumerate() {
        assert_eq!(record.is_err(), n == 66, "{n}: {record:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_away_is_not_read_for() {
    let store = store(Coalescing::default().reads(1));
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.get(&[key(1)]).await }
    });
    tokio::task::yield_now().await;
    {
        // Asked, and given up at once.
        let jobs = [key(2)];
        assert!(!is_ready(&mut pin!(store.get(&jobs))).await);
    }
    first.await.unwrap().unwrap();
    assert!(store.get(&[key(3)]).await.unwrap()[0].is_none());
    assert_eq!(*store.inner().read.lock().unwrap(), [1, 1]);
}

/// Bytes that are counted as long as they are held.
struct Held(#[allow(dead_code, reason = "its drop is what is counted")] Arc<()>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        b"1"
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_neither_sent_nor_held() {
    let store = store(Coalescing::default());
    let slow = tokio::spawn({
        let store = store.clone();
        async move { store.write(&insert(0, "hang")).await }
    });
    tokio::task::yield_now().await;
    let held = Arc::new(());
    for n in 1..=2_000 {
        let mut batch = insert(n, "1");
        batch.inserts[0].request.bytes = bytes::Bytes::from_owner(Held(held.clone()));
        let given_up = tokio::time::timeout(Duration::from_millis(5), store.write(&batch)).await;
        assert!(given_up.is_err());
    }
    assert!(Arc::strong_count(&held) <= 600, "{} are held", Arc::strong_count(&held));
    slow.await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(store.counts("f").await.unwrap().waiting(), 1);
    store.write(&insert(3_000, "1")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_is_given_anothers_answer_where_one_is_missing() {
    let store = store(Coalescing::default());
    for answer in all(&store, (0..10).map(|n| insert(n, if n == 3 { "forget" } else { "1" }))).await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))) || answer.unwrap().inserts.len() == 1);
    }
    assert!(matches!(store.write(&insert(20, "forget")).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn many_changes_of_one_job_hold_back_no_others() {
    let store = store(Coalescing::default());
    store.write(&insert(1, "1")).await.unwrap();
    let others = all(&store, (0..2_000).map(|n| if n % 2 == 0 { mark(1, Mark::Cancel) } else { insert(n, "1") }));
    for answer in others.await {
        answer.unwrap();
    }
    assert_eq!(store.counts("f").await.unwrap().waiting(), 1_000);
    assert!(store.inner().sizes.lock().unwrap().len() < 1_200);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_is_answered_for_and_asked_again() {
    let store = store(Coalescing::default());
    assert!(matches!(store.write(&insert(1, "panic")).await, Err(StoreError::Unavailable(_))));
    store.write(&insert(2, "1")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn large_parts_do_not_gather_without_end() {
    let store = store(Coalescing::default().bytes(1000));
    let large: &'static str = "x".repeat(400).leak();
    all(&store, (0..30).map(|n| insert(n, large))).await;
    let sizes = store.inner().sizes.lock().unwrap().clone();
    assert!(sizes.iter().all(|size| *size <= 3), "{sizes:?}");
}
