//! Jobs that do just what a case tells them, when it tells them.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use asyncflow_core::{Flow, JobContext, Progress};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use super::exchange::fail;

/// How long a job may take to start before we say that it does not.
const PATIENCE: Duration = Duration::from_secs(60);

/// The handlers that were started, and wait to be told what to do.
#[derive(Debug, Default)]
pub(super) struct Stage {
    started: Mutex<Vec<Started>>,
    closed: AtomicBool,
    news: Notify,
}

#[derive(Debug)]
struct Started {
    flow: String,
    id: String,
    commands: mpsc::UnboundedSender<Command>,
    taken: bool,
}

#[derive(Debug)]
enum Command {
    Report(Progress),
    Succeed(Value),
    Fail(String),
    Panic(String),
}

impl Stage {
    /// Ends all handlers, also those that start from now on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.started().clear();
    }

    fn enter(&self, flow: &str, id: String) -> mpsc::UnboundedReceiver<Command> {
        let (commands, told) = mpsc::unbounded_channel();
        let mut started = self.started();
        if !self.closed.load(Ordering::SeqCst) {
            started.push(Started { flow: flow.into(), id, commands, taken: false });
        }
        drop(started);
        self.news.notify_waiters();
        told
    }

    /// The handler of this job, once it has started.
    pub(super) async fn attach(&self, id: &str) -> Puppet {
        self.find(&format!("the job {id}"), |started| started.id == id).await
    }

    /// The first handler of this flow that was not asked for yet, once there is one.
    pub(super) async fn next(&self, flow: &str) -> Puppet {
        self.find(&format!("a job of {flow}"), |started| started.flow == flow && !started.taken).await
    }

    pub(super) fn has_started(&self, id: &str) -> bool {
        self.started().iter().any(|started| started.id == id)
    }

    async fn find(&self, what: &str, which: impl Fn(&Started) -> bool) -> Puppet {
        let found = async {
            loop {
                let news = self.news.notified();
                if let Some(started) = self.started().iter_mut().find(|started| which(started)) {
                    started.taken = true;
                    let (flow, id) = (started.flow.clone(), started.id.clone());
                    return Puppet { flow, id, commands: started.commands.clone() };
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| fail(&format!("expected: {what} to start\ngot:      nothing for a minute")))
    }

    fn started(&self) -> MutexGuard<'_, Vec<Started>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handler that was started, in the hands of a case.
#[derive(Clone, Debug)]
pub(super) struct Puppet {
    flow: String,
    id: String,
    commands: mpsc::UnboundedSender<Command>,
}

impl Puppet {
    pub(super) fn flow(&self) -> &str {
        &self.flow
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The path of one of the job's endpoints; of the job itself where there is no name.
    pub(super) fn path(&self, endpoint: &str) -> String {
        format!("/{}/{}/{endpoint}", self.flow, self.id).trim_end_matches('/').to_owned()
    }

    pub(super) fn report(&self, text: &str, percentage: Option<f64>, data: Option<Value>) {
        let mut progress = Progress::new(text);
        if let Some(percentage) = percentage {
            progress = progress.percentage(percentage);
        }
        if let Some(data) = data {
            progress = progress.data(&data);
        }
        self.tell(Command::Report(progress));
    }

    pub(super) fn succeed(&self, result: Value) {
        self.tell(Command::Succeed(result));
    }

    pub(super) fn fail(&self, message: &str) {
        self.tell(Command::Fail(message.into()));
    }

    pub(super) fn panic(&self, text: &str) {
        self.tell(Command::Panic(text.into()));
    }

    /// Waits until the handler is no more, by itself or because it was dropped.
    pub(super) async fn stopped(&self) {
        let stopped = tokio::time::timeout(PATIENCE, self.commands.closed()).await;
        stopped.unwrap_or_else(|_| fail("expected: the handler to stop\ngot:      it still runs after a minute"));
    }

    /// A handler that is gone hears nothing, which is what some cases want.
    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// The flow of such jobs, whose request of type `R` means nothing.
pub(super) struct Puppetry<R = Value> {
    stage: Arc<Stage>,
    stubborn: bool,
    request: PhantomData<fn(R)>,
}

impl<R> Puppetry<R> {
    pub(super) fn new(stage: &Arc<Stage>) -> Self {
        Self { stage: stage.clone(), stubborn: false, request: PhantomData }
    }

    /// They do not stop when they are asked to.
    pub(super) fn stubborn(self) -> Self {
        Self { stubborn: true, ..self }
    }
}

/// What a puppet fails with.
#[derive(Debug)]
pub(super) struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

impl<R: DeserializeOwned + Send + 'static> Flow for Puppetry<R> {
    type Request = R;
    type Response = Value;
    type Error = Told;

    async fn process(&self, _: R, job: JobContext) -> Result<Value, Told> {
        let mut commands = self.stage.enter(job.flow().as_ref(), job.id().to_string());
        loop {
            let command = tokio::select! {
                biased;
                () = job.cancelled(), if !self.stubborn => return Err(Told("stopped".into())),
                command = commands.recv() => command,
            };
            match command {
                Some(Command::Report(progress)) => job.progress(progress),
                Some(Command::Succeed(result)) => return Ok(result),
                Some(Command::Fail(message)) => return Err(Told(message)),
                Some(Command::Panic(text)) => panic!("{text}"),
                None => return Err(Told("the case is over".into())),
            }
        }
    }
}
