//! One database, asked directly: batches come from `Coalesced`.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use asyncflow_core::{
    Clock, JobKey, Record, Settings,
    store::{Answers, Attention, Batch, Counts, HintStream, Page, Part, PartName, Query, Store, StoreError},
};
use tokio::runtime::Handle;
use tokio_postgres::{Config, config::TargetSessionAttrs};

use crate::{
    builder::PostgresStoreBuilder,
    listen::Post,
    names::Names,
    pool::Pool,
    schema::Schema,
    shelves::Shelves,
    write::{HeldBack, Rooms},
};

/// A bytea has less than 1 GiB, and its text, which is twice as long, must not matter.
pub(crate) const LARGEST_PART: usize = 256 << 20;
/// How long making a connection may take: more than one may have to be tried within a call.
const CONNECTING: Duration = Duration::from_secs(3);

pub(crate) struct Database {
    pub(crate) shared: Arc<Shared>,
    runtime: Handle,
}

/// What tasks of the runtime work on.
pub(crate) struct Shared {
    pub(crate) schema: Schema,
    pub(crate) writes: Pool,
    pub(crate) reads: Pool,
    pub(crate) names: Arc<Names>,
    pub(crate) shelves: Shelves,
    pub(crate) rooms: Rooms,
    pub(crate) held_back: HeldBack,
    pub(crate) post: Post,
    pub(crate) settings: Mutex<Arc<Settings>>,
    clock: Option<Arc<dyn Clock>>,
}

impl Shared {
    /// The time of the clock that was given, if one was.
    pub(crate) fn now(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| clock.now().as_micros().max(0))
    }
}

impl Database {
    pub(crate) async fn connect(builder: PostgresStoreBuilder) -> Result<Self, StoreError> {
        let runtime = Handle::try_current()
            .map_err(|_| StoreError::unusable("there is no tokio runtime here: connect to the store within one"))?;
        let schema = Schema::new(&builder.schema)?;
        let config = config(&builder.url)?;
        schema.migrate(&config).await?;
        let names = Arc::new(Names::new(&schema));
        let half = builder.connections.div_ceil(2);
        // Renewals of leases have a lane of their own, and so a connection.
        let pool = |connections| Pool::new(config.clone(), connections, builder.listen, names.clone());
        let (writes, reads) = (pool(half + 1), pool(builder.connections / 2));
        let post = match builder.listen {
            true => Post::open(config.clone(), &schema, names.clone(), &runtime),
            false => Post::closed(),
        };
        let shared = Shared {
            schema,
            writes,
            reads,
            names,
            shelves: Shelves::default(),
            rooms: Rooms::default(),
            held_back: HeldBack::default(),
            post,
            settings: Mutex::default(),
            clock: builder.clock,
        };
        shared.tend().await?;
        Ok(Self { shared: Arc::new(shared), runtime })
    }

    /// Does something in a task of the runtime: the caller may be elsewhere, and may go away.
    async fn run<T, F>(&self, what: impl FnOnce(Arc<Shared>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let done = self.runtime.spawn(what(self.shared.clone())).await;
        done.unwrap_or_else(|_| Err(StoreError::unavailable("the task that asks Postgres has ended")))
    }
}

/// Where to connect to, and how.
fn config(url: &str) -> Result<Config, StoreError> {
    // Its error may hold what it could not read, and so a password.
    let mut config: Config = url.parse().map_err(|_| {
        StoreError::unusable(
            "the URL of the Postgres server cannot be read: give it as postgres://user:password@host:port/database, with special \
             characters of the password in per cent",
        )
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECTING);
    }
    if config.get_application_name().is_none() {
        config.application_name("asyncflow");
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(crate::pool::PATIENCE);
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        // One that has become a replica: all that is read is to be as new as what was written.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    Ok(config)
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("schema", &self.shared.schema.name()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Database {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        // In a task of the runtime already: `Coalesced` has them.
        self.shared.write(batch).await
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        let jobs = jobs.to_vec();
        self.run(|shared| async move { shared.get(&jobs).await }).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        let job = job.clone();
        self.run(|shared| async move { shared.part(&job, name).await }).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.run(|shared| async move {
            if shared.shelves.are_to_be_tended(shared.now()) {
                // What cannot be done now is done the next time.
                let _ = shared.tend().await;
            }
            let records = shared.due(limit).await?;
            let settings = shared.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok(Attention { records, settings })
        })
        .await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        let settings = settings.clone();
        self.run(|shared| async move { shared.put_settings(&settings).await }).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let query = query.clone();
        self.run(|shared| async move { shared.list(&query).await }).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        let flow = flow.to_owned();
        self.run(|shared| async move { shared.counts(&flow).await }).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.run(|shared| async move { shared.check().await }).await
    }

    fn largest_part(&self) -> usize {
        LARGEST_PART
    }

    fn hints(&self) -> HintStream {
        self.shared.post.hints().subscribe()
    }
}
